"""What somebody may do who asks questions of the lake, statement by statement."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from penstock.resources import physical_name

from penstock_infra.arns import here
from penstock_infra.glue_tables import TABLES, database_name
from penstock_infra.queries import V_LIVE

RESULTS = "athena-results"
"""Bucket of what queries found."""


def bucket_arn(prefix: str, bucket: str) -> str:
    """ARN of a bucket of ours by Penstock's name."""
    return f"arn:{Aws.PARTITION}:s3:::{physical_name(prefix, bucket)}"


def look_up_tables(prefix: str, names: Sequence[str]) -> iam.PolicyStatement:
    """Read tables of our database in the catalog."""
    database = database_name(prefix)
    return iam.PolicyStatement(
        sid="LookUpTables",
        actions=[
            "glue:GetDatabase", "glue:GetDatabases", "glue:GetTable", "glue:GetTables",
            "glue:GetTableVersion", "glue:GetTableVersions", "glue:GetPartition",
            "glue:GetPartitions", "glue:BatchGetPartition",
        ],
        resources=[
            here("glue", "catalog"),
            here("glue", f"database/{database}"),
            *(here("glue", f"table/{database}/{name}") for name in names),
        ],
    )  # fmt: skip


def read_lake(prefix: str) -> list[iam.PolicyStatement]:
    """Read what the tables stand on: those folders of the buckets and no others."""
    roots = sorted({(table.bucket.name, table.root) for table in TABLES})
    buckets = sorted({bucket for bucket, _ in roots})
    return [
        look_up_tables(prefix, [*(table.name for table in TABLES), V_LIVE]),
        iam.PolicyStatement(
            sid="ReadFolders",
            actions=["s3:GetObject"],
            resources=[f"{bucket_arn(prefix, bucket)}/{root}/*" for bucket, root in roots],
        ),
        iam.PolicyStatement(
            sid="ListFolders",
            actions=["s3:ListBucket"],
            resources=[bucket_arn(prefix, bucket) for bucket in buckets],
            conditions={"StringLike": {"s3:prefix": [f"{root}/*" for _, root in roots]}},
        ),
        iam.PolicyStatement(
            sid="FindBuckets",
            actions=["s3:GetBucketLocation"],
            resources=[bucket_arn(prefix, bucket) for bucket in buckets],
        ),
    ]


def ask_athena(prefix: str) -> list[iam.PolicyStatement]:
    """Run queries in our workgroup, and keep their results where it says."""
    results_arn = bucket_arn(prefix, RESULTS)
    return [
        iam.PolicyStatement(
            sid="AskInOneWorkgroup",
            actions=[
                "athena:StartQueryExecution", "athena:StopQueryExecution",
                "athena:GetQueryExecution", "athena:BatchGetQueryExecution",
                "athena:ListQueryExecutions", "athena:GetQueryResults",
                "athena:GetQueryResultsStream", "athena:GetWorkGroup", "athena:GetNamedQuery",
                "athena:BatchGetNamedQuery", "athena:ListNamedQueries",
            ],
            resources=[here("athena", f"workgroup/{prefix}")],
        ),
        iam.PolicyStatement(
            sid="KeepResults",
            actions=[
                "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            resources=[f"{results_arn}/*"],
        ),
        iam.PolicyStatement(
            sid="FindResults",
            actions=["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            resources=[results_arn],
        ),
    ]  # fmt: skip
