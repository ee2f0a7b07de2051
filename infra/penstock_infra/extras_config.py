"""What a deployment's file says of the parts that it may leave out."""

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from penstock_infra.part import Arn, Part


class Extras(Part):
    """Parts that a deployment may leave out."""

    iot: bool = True
    """Devices that send by MQTT."""
    delivery: bool = True
    """Firehose that lands device messages in the lake."""
    prediction_stream: bool = True
    """Changes of the latest predictions: Kinesis, Firehose, S3."""
    analytics: bool = True
    """Glue tables and an Athena workgroup."""
    crawler: bool = False
    """A Glue crawler over prepared datasets, whose columns no list declares."""
    spark_prepare: bool = False
    """A place for Spark on Glue; the program that would run there is not part of Penstock."""
    quicksight: bool = False
    """A QuickSight data set over the live predictions."""
    dashboard: bool = True
    alarms: bool = True

    @model_validator(mode="after")
    def _stand_on_what_is_there(self) -> Self:
        needs = {
            "delivery": ("iot", "analytics"),
            "crawler": ("analytics",),
            "quicksight": ("analytics",),
        }
        for name, others in needs.items():
            missing = [other for other in others if not getattr(self, other)]
            if getattr(self, name) and missing:
                raise ValueError(f"{name} needs {' and '.join(missing)}: switch {name} off too")
        return self


class Devices(Part):
    """How messages of devices reach ingest-api."""

    gateway_key_secret_arn: Arn | None = None
    """Secret whose JSON has under `key` the key of the gateway that devices speak as.

    Without it their messages land in the lake alone.
    """
    requests_per_second: Annotated[int, Field(ge=1, le=300)] = 100
    """At most; what comes faster waits in a queue."""


class Delivery(Part):
    """How Firehose gathers and changes what it delivers."""

    buffer_seconds: Annotated[int, Field(ge=0, le=900)] = 60
    buffer_mib: Annotated[int, Field(ge=64, le=128)] = 64
    """Firehose writes Parquet in no smaller buffers than 64 MiB."""
    transform_arn: Arn | None = None
    """A Lambda function of your own that is given every record before it becomes Parquet."""


class Analytics(Part):
    """What analysts may read, and how much of it at once."""

    first_day: date = date(2020, 1, 1)
    """Athena looks for no partition before it."""
    gib_per_query: Annotated[int, Field(ge=1, le=10_240)] = 100
    """A query that would read more is ended."""
    result_days: Annotated[int, Field(ge=1, le=365)] = 30
    crawl_at: Annotated[str, Field(pattern=r"^cron\(.+\)$")] | None = None
    """When the crawler runs, as `cron(0 3 * * ? *)`; without it when somebody starts it."""
    spark_script: Annotated[str, Field(pattern=r"^s3://[^/]+/.+\.py$")] | None = None
    """The program of the Spark job."""
    spark_workers: Annotated[int, Field(ge=2, le=299)] = 10
    quicksight_principal_arn: Arn | None = None
    """User or group of QuickSight who owns the data set."""


class Alarms(Part):
    """When alarms ring and whom they tell; times are in seconds unless named otherwise."""

    runbook_url: Annotated[str, Field(pattern=r"^https://\S+[^/#]$")] | None = None
    """Where docs/operations.md is read; a problem's id is added as the part after `#`."""
    emails: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = ()
    """Who is written to; each confirms by a link first."""
    queue_age_seconds: Annotated[int, Field(ge=3600, le=1_209_600)] = 86_400
    inference_age_seconds: Annotated[int, Field(ge=60)] = 300
    sink_lag_seconds: Annotated[int, Field(ge=60)] = 900
    """Of Snowflake and the other sinks: age of what was written last."""
    silent_minutes: Annotated[int, Field(ge=5, le=1440)] | None = None
    """Ring when no reading was accepted for so long; a deployment without gateways has none."""
    refused_percent: Annotated[int, Field(ge=1, le=100)] = 10
    errors_in_five_minutes: Annotated[int, Field(ge=1)] = 10
    """5xx answers that are too many."""
    aurora_percent: Annotated[int, Field(ge=10, le=100)] = 90
    delivery_age_seconds: Annotated[int, Field(ge=300)] = 1800
    endpoints: tuple[str, ...] = ()
    """Endpoints (without the prefix) whose errors and latency in SageMaker are watched too."""
    endpoint_latency_ms: Annotated[int, Field(ge=1)] = 1000


def fault_of(
    *,
    extras: Extras,
    devices: Devices,
    analytics: Analytics,
    alarms: Alarms,
    domain_name: str | None,
    internal: bool,
    traces: bool,
) -> str | None:
    """Say what of the extras does not fit the rest of the file; None where all fits."""
    if devices.gateway_key_secret_arn is not None and (domain_name is None or internal):
        return (
            "devices.gateway_key_secret_arn hands messages to ingest-api from outside the VPC: it"
            " needs a domain_name, and internal = false"
        )
    if extras.spark_prepare and analytics.spark_script is None:
        return "extras.spark_prepare needs analytics.spark_script"
    if extras.quicksight and analytics.quicksight_principal_arn is None:
        return "extras.quicksight needs analytics.quicksight_principal_arn"
    if alarms.silent_minutes is not None and not traces:
        return "alarms.silent_minutes needs traces = true: the collector brings what is counted"
    return None
