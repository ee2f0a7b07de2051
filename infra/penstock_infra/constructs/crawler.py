"""A Glue crawler over prepared datasets, whose columns differ by recipe: no list declares them."""

from aws_cdk import Aws
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct
from penstock.resources import TRAINING, physical_name

from penstock_infra.arns import here, use_of_key
from penstock_infra.constructs.glue_security import encrypt_glue_logs, secured, write_glue_logs
from penstock_infra.constructs.lake_readers import bucket_arn
from penstock_infra.constructs.service_role import service_role
from penstock_infra.glue_tables import database_name

_ROOT = "datasets"


class Crawler(Construct):
    """What it finds stands in a database of its own, apart from the declared tables."""

    def __init__(
        self, scope: Construct, name: str, *, prefix: str, key: kms.IKey, schedule: str | None
    ) -> None:
        """Create the crawler; without a schedule it runs when somebody starts it."""
        super().__init__(scope, name)
        self._prefix = prefix
        self._found = f"{database_name(prefix)}_datasets"
        database = glue.CfnDatabase(
            self,
            "database",
            catalog_id=Aws.ACCOUNT_ID,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=self._found, description=f"What crawling the datasets of {prefix} found"
            ),
        )
        role = service_role(
            self, "role", name=f"{prefix}-crawler", service="glue", statements=self._statements(key)
        )
        crawler = self._add_crawler(role, secured(self, prefix=prefix, key=key), schedule)
        crawler.add_dependency(database)

    def _statements(self, key: kms.IKey) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=[f"{bucket_arn(self._prefix, TRAINING.name)}/{_ROOT}/*"],
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket", "s3:GetBucketLocation"],
                resources=[bucket_arn(self._prefix, TRAINING.name)],
            ),
            iam.PolicyStatement(
                actions=[
                    "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:CreateTable",
                    "glue:UpdateTable", "glue:GetPartition", "glue:GetPartitions",
                    "glue:BatchGetPartition", "glue:BatchCreatePartition", "glue:CreatePartition",
                    "glue:UpdatePartition",
                ],
                resources=[
                    here("glue", "catalog"),
                    here("glue", f"database/{self._found}"),
                    here("glue", f"table/{self._found}/*"),
                ],
            ),
            write_glue_logs("crawlers"),
            use_of_key(key.key_arn, ("s3",), reads_only=True),
            encrypt_glue_logs(key.key_arn),
        ]  # fmt: skip

    def _add_crawler(self, role: iam.Role, security: str, schedule: str | None) -> glue.CfnCrawler:
        bucket = physical_name(self._prefix, TRAINING.name)
        return glue.CfnCrawler(
            self,
            "crawler",
            name=f"{self._prefix}-datasets",
            description="Finds the columns of prepared datasets",
            role=role.role_arn,
            database_name=self._found,
            crawler_security_configuration=security,
            targets=glue.CfnCrawler.TargetsProperty(
                s3_targets=[glue.CfnCrawler.S3TargetProperty(path=f"s3://{bucket}/{_ROOT}/")]
            ),
            # A dataset never changes: only folders that are new are read.
            recrawl_policy=glue.CfnCrawler.RecrawlPolicyProperty(
                recrawl_behavior="CRAWL_NEW_FOLDERS_ONLY"
            ),
            schema_change_policy=glue.CfnCrawler.SchemaChangePolicyProperty(
                update_behavior="LOG", delete_behavior="LOG"
            ),
            schedule=glue.CfnCrawler.ScheduleProperty(schedule_expression=schedule)
            if schedule
            else None,
        )
