"""A place for Spark on Glue, for datasets that outgrow one task of training-preparer.

The program is not part of Penstock: the deployment names one that is on S3 already.
"""

from aws_cdk import Aws
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct
from penstock.resources import TRAINING, physical_name

from penstock_infra.arns import use_of_key
from penstock_infra.constructs.glue_security import encrypt_glue_logs, secured, write_glue_logs
from penstock_infra.constructs.lake_readers import bucket_arn
from penstock_infra.constructs.service_role import service_role

_RAW, _DATASETS, _SCRATCH = "raw", "datasets", "spark"
_LONGEST_MINUTES = 6 * 60


class SparkPrepare(Construct):
    """One Glue job: reads raw slices, writes datasets, keeps its scratch beside them."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        prefix: str,
        key: kms.IKey,
        script: str,
        workers: int,
    ) -> None:
        """Create the job."""
        super().__init__(scope, name)
        self._prefix = prefix
        role = service_role(
            self,
            "role",
            name=f"{prefix}-spark-prepare",
            service="glue",
            statements=self._statements(key, script),
        )
        bucket = physical_name(prefix, TRAINING.name)
        glue.CfnJob(
            self,
            "job",
            name=f"{prefix}-prepare",
            description="Prepares one dataset with Spark",
            role=role.role_arn,
            security_configuration=secured(self, prefix=prefix, key=key),
            glue_version="5.0",
            worker_type="G.1X",
            number_of_workers=workers,
            timeout=_LONGEST_MINUTES,
            # The caller tries again, with the same dataset id: two tries at once would meet.
            max_retries=0,
            execution_property=glue.CfnJob.ExecutionPropertyProperty(max_concurrent_runs=4),
            command=glue.CfnJob.JobCommandProperty(
                name="glueetl", python_version="3", script_location=script
            ),
            default_arguments={
                "--TempDir": f"s3://{bucket}/{_SCRATCH}/",
                "--bucket": bucket,
                "--enable-auto-scaling": "true",
                "--enable-metrics": "true",
                "--enable-continuous-cloudwatch-log": "true",
                "--job-language": "python",
            },
        )

    def _statements(self, key: kms.IKey, script: str) -> list[iam.PolicyStatement]:
        bucket = bucket_arn(self._prefix, TRAINING.name)
        owned = [f"{bucket}/{root}/*" for root in (_DATASETS, _SCRATCH)]
        return [
            iam.PolicyStatement(
                actions=["s3:GetObject"], resources=[f"{bucket}/{_RAW}/*", _object_arn(script)]
            ),
            iam.PolicyStatement(
                actions=[
                    "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
                ],
                resources=owned,
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket", "s3:GetBucketLocation"], resources=[bucket]
            ),
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": "Glue"}},
            ),
            write_glue_logs("jobs"),
            use_of_key(key.key_arn, ("s3",)),
            encrypt_glue_logs(key.key_arn),
        ]  # fmt: skip


def _object_arn(url: str) -> str:
    return f"arn:{Aws.PARTITION}:s3:::{url.removeprefix('s3://')}"
