"""Findings of cdk-nag that are meant, of the parts that a deployment may leave out."""

from collections.abc import Iterator

from penstock.resources import LAKE, TRAINING

from penstock_infra.constructs.lake_readers import RESULTS
from penstock_infra.glue_tables import DEVICE_MESSAGES, TABLES, database_name
from penstock_infra.suppressions import Suppression

_OBJECTS = "objects are named at run time; the folder is this part's alone"
_LOGS = "Glue names its log groups itself, after the security configuration"


def suppressions_of_extras(prefix: str, transform_arn: str) -> list[Suppression]:
    """Every finding that is meant, for a deployment with all extras."""
    return [
        *_readers_of_the_lake(prefix),
        *_glue(prefix),
        *_deliveries(prefix),
        _wildcard(
            "data/delivery/role/Resource",
            f"{transform_arn}:*",
            "a function is called by any of its versions",
        ),
    ]


def _readers_of_the_lake(prefix: str) -> Iterator[Suppression]:
    for path in ("data/athena/analysts/Resource", "data/quicksight/role/Resource"):
        yield _wildcard(path, f"arn:<AWS::Partition>:s3:::{prefix}-{RESULTS}/*", _OBJECTS)
        for table in TABLES:
            yield _folder(path, prefix, table.bucket.name, table.root)


def _glue(prefix: str) -> Iterator[Suppression]:
    crawler, spark = "data/crawler/role/Resource", "data/spark-prepare/role/Resource"
    yield _folder(crawler, prefix, TRAINING.name, "datasets")
    yield _wildcard(
        crawler,
        _here("glue", f"table/{database_name(prefix)}_datasets/*"),
        "a crawler names the tables that it finds; the database is the crawler's alone",
    )
    yield _wildcard(crawler, _here("logs", "log-group:/aws-glue/crawlers*"), _LOGS)
    for root in ("raw", "datasets", "spark"):
        yield _folder(spark, prefix, TRAINING.name, root)
    yield _wildcard(spark, _here("logs", "log-group:/aws-glue/jobs*"), _LOGS)
    yield _wildcard(spark, "*", "IAM knows no resource for metrics; a condition names Glue's own")


def _deliveries(prefix: str) -> Iterator[Suppression]:
    for part, root in (
        ("delivery", DEVICE_MESSAGES.root),
        ("prediction-stream", "latest-changes"),
    ):
        for folder in (root, f"errors/{root}"):
            yield _folder(f"data/{part}/role/Resource", prefix, LAKE.name, folder)
    yield Suppression(
        "data/prediction-stream/delivery",
        "AwsSolutions-KDF1",
        "Firehose keeps nothing of its own here: the Kinesis stream that it reads is encrypted",
    )
    yield Suppression(
        "data/prediction-stream/stream",
        "AwsSolutions-KDS3",
        "the customer's key is meant, as everywhere; the rule counts the price of its calls",
    )


def _folder(path: str, prefix: str, bucket: str, root: str) -> Suppression:
    return _wildcard(path, f"arn:<AWS::Partition>:s3:::{prefix}-{bucket}/{root}/*", _OBJECTS)


def _here(service: str, resource: str) -> str:
    return f"arn:<AWS::Partition>:{service}:<AWS::Region>:<AWS::AccountId>:{resource}"


def _wildcard(path: str, resource: str, reason: str) -> Suppression:
    return Suppression(path, f"AwsSolutions-IAM5[Resource::{resource}]", reason)
