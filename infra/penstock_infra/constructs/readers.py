"""Roles for people who read archived readings and predictions with tools of their own."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct
from penstock.resources import ARCHIVE, LAKE

from penstock_infra.arns import Names, use_of_key
from penstock_infra.config import Readers
from penstock_infra.constructs.roles import role


class ReadersRole(Construct):
    """One role: it lists and reads below its prefixes of keys, and nothing else."""

    def __init__(
        self, scope: Construct, name: str, *, readers: Readers, names: Names, key: kms.IKey
    ) -> None:
        """Create the role for those who may take it."""
        super().__init__(scope, name)
        written = [use_of_key(key.key_arn, ("s3",))]
        for bucket, prefixes in ((ARCHIVE, readers.archive), (LAKE, readers.lake)):
            if prefixes:
                written += _reading(names, bucket.name, prefixes)
        self.role = role(
            self,
            "role",
            principal=iam.CompositePrincipal(
                *(iam.ArnPrincipal(arn) for arn in readers.principal_arns)
            ),
            description=f"Reads files of {names.prefix} for {readers.name}",
            written=written,
        )


def _reading(names: Names, bucket: str, prefixes: tuple[str, ...]) -> list[iam.PolicyStatement]:
    below = [prefix.rstrip("/") for prefix in prefixes]
    return [
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=names.arns("bucket", [bucket]),
            conditions={"StringLike": {"s3:prefix": [f"{prefix}/*" for prefix in below]}},
        ),
        iam.PolicyStatement(
            actions=["s3:GetObject"],
            resources=names.arns("objects", [f"{bucket}/{prefix}/*" for prefix in below]),
        ),
    ]
