"""Where parts that a deployment may leave out join the stacks, each behind its switch."""

from typing import TYPE_CHECKING

from aws_cdk import Tags
from penstock.resources import LATEST

from penstock_infra.alarm_rule import Watched
from penstock_infra.constructs.alarms import Alarms
from penstock_infra.constructs.athena import Athena
from penstock_infra.constructs.catalog import Catalog
from penstock_infra.constructs.crawler import Crawler
from penstock_infra.constructs.dashboard import Dashboard
from penstock_infra.constructs.delivery import Delivery
from penstock_infra.constructs.device_ingest import KEY_TAG, DeviceIngest
from penstock_infra.constructs.devices import Devices
from penstock_infra.constructs.prediction_stream import PredictionStream
from penstock_infra.constructs.quicksight import QuickSight
from penstock_infra.constructs.spark_prepare import SparkPrepare
from penstock_infra.sizes import least_tasks

if TYPE_CHECKING:
    from penstock_infra.data_stack import DataStack
    from penstock_infra.services_stack import ServicesStack


def add_to_data(stack: "DataStack") -> None:
    """Add what carries or keeps data, after everything else of the stack is there."""
    catalog = _add_analytics(stack)
    if stack.deployment.extras.iot:
        _add_devices(stack, catalog)
    if stack.deployment.extras.prediction_stream:
        PredictionStream(
            stack, "prediction-stream", deployment=stack.deployment, key=stack.key,
            table=stack.tables.tables[LATEST.name],
        )  # fmt: skip


def add_to_services(stack: "ServicesStack") -> None:
    """Add what watches or shows, after everything else of the stack is there."""
    switches, watched = stack.deployment.extras, _watched(stack)
    alarms = (
        Alarms(
            stack, "alarms", deployment=stack.deployment, key=stack.data.key, watched=watched
        )
        if switches.alarms
        else None
    )  # fmt: skip
    if switches.dashboard:
        Dashboard(
            stack, "dashboard", deployment=stack.deployment, watched=watched, alarms=alarms
        )  # fmt: skip


def _watched(stack: "ServicesStack") -> Watched:
    balancer = stack.load_balancer
    return Watched(
        balancer=balancer.balancer.load_balancer_full_name,
        targets={
            command: group.target_group_full_name for command, group in balancer.targets.items()
        },
        machine_arn=stack.machine.machine.state_machine_arn,
        least_tasks={
            name: least_tasks(made.command, stack.deployment)
            for name, made in stack.services.items()
        },
    )


def _add_analytics(stack: "DataStack") -> Catalog | None:
    switches, told = stack.deployment.extras, stack.deployment.analytics
    prefix, key = stack.deployment.name_prefix, stack.key
    if switches.crawler:
        Crawler(stack, "crawler", prefix=prefix, key=key, schedule=told.crawl_at)
    if switches.spark_prepare and told.spark_script is not None:
        SparkPrepare(
            stack, "spark-prepare", prefix=prefix, key=key, script=told.spark_script,
            workers=told.spark_workers,
        )  # fmt: skip
    if not switches.analytics:
        return None
    catalog = Catalog(stack, "catalog", prefix=prefix, first_day=told.first_day)
    athena = Athena(
        stack, "athena", deployment=stack.deployment, catalog=catalog, key=key,
        access_logs=stack.buckets.logs,
    )  # fmt: skip
    if switches.quicksight and told.quicksight_principal_arn is not None:
        QuickSight(
            stack, "quicksight", prefix=prefix, athena=athena, catalog=catalog, key=key,
            principal_arn=told.quicksight_principal_arn,
        )  # fmt: skip
    return catalog


def _add_devices(stack: "DataStack", catalog: Catalog | None) -> None:
    deployment, told = stack.deployment, stack.deployment.devices
    delivery = (
        Delivery(stack, "delivery", deployment=deployment, catalog=catalog, key=stack.key)
        if deployment.extras.delivery and catalog is not None
        else None
    )
    devices = Devices(
        stack, "devices", prefix=deployment.name_prefix, key=stack.key,
        delivery_stream=delivery.stream if delivery else None,
        feeds_ingest=told.gateway_key_secret_arn is not None,
    )  # fmt: skip
    if devices.readings is not None and told.gateway_key_secret_arn is not None:
        Tags.of(stack.key).add(*KEY_TAG)
        DeviceIngest(
            stack, "device-ingest", prefix=deployment.name_prefix, queue=devices.readings,
            key=stack.key, url=f"https://{deployment.domain_name}/v1/readings",
            gateway_key_secret_arn=told.gateway_key_secret_arn,
            requests_per_second=told.requests_per_second,
        )  # fmt: skip
