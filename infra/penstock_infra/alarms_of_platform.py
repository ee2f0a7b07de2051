"""When what Penstock runs on counts as a problem: door, tasks, queues, Aurora, deliveries."""

from collections.abc import Iterator

from penstock.resources import COMMANDS, SCHEDULES, TOPICS

from penstock_infra.alarm_rule import (
    FIVE_MINUTES,
    Rule,
    Watched,
    any_visible,
    read_queues,
    too_old,
)
from penstock_infra.config import Deployment
from penstock_infra.measures import Measure, of_aurora, of_queue, of_service, of_stream


def rules(deployment: Deployment, watched: Watched) -> Iterator[Rule]:
    """Every alarm on metrics of AWS."""
    yield from _of_door(deployment, watched)
    yield from _of_tasks(deployment, watched)
    yield from _of_queues(deployment)
    yield from _of_aurora(deployment)
    yield from _of_training(watched)
    yield from _of_deliveries(deployment)


def _of_door(deployment: Deployment, watched: Watched) -> Iterator[Rule]:
    groups: dict[str, tuple[str, dict[str, str]]] = {
        command: ("HTTPCode_Target_5XX_Count", {"TargetGroup": group})
        for command, group in watched.targets.items()
    }
    groups["load-balancer"] = ("HTTPCode_ELB_5XX_Count", {})
    for what, (name, more) in groups.items():
        yield Rule(
            problem="PS-DOOR-FAILING",
            what=what,
            watches=Measure(
                namespace="AWS/ApplicationELB",
                name=name,
                dimensions={"LoadBalancer": watched.balancer, **more},
                statistic="Sum",
                seconds=FIVE_MINUTES,
            ),
            rings="at or above",
            limit=deployment.alarms.errors_in_five_minutes,
        )


def _of_tasks(deployment: Deployment, watched: Watched) -> Iterator[Rule]:
    for command in COMMANDS:
        yield Rule(
            problem="PS-TASKS-MISSING",
            what=command.name,
            watches=of_service(deployment.name_prefix, command.name, "RunningTaskCount", "Minimum"),
            rings="below",
            limit=watched.least_tasks[command.name],
            times=5,
            rings_unmeasured=True,
        )


def _of_queues(deployment: Deployment) -> Iterator[Rule]:
    prefix, told = deployment.name_prefix, deployment.alarms
    for queue in read_queues(deployment):
        yield any_visible("PS-DEAD-LETTERS", prefix, queue.dead_letter_name)
        yield too_old(prefix, queue.name, told.queue_age_seconds)
    if SCHEDULES:
        yield any_visible("PS-DEAD-LETTERS", prefix, "schedules-dlq")
    for topic in TOPICS:
        for queue in topic.subscribers:
            name = topic.subscription_dead_letter_name(queue)
            yield any_visible("PS-UNDELIVERED", prefix, name)
    yield Rule(
        problem="PS-INFERENCE-BEHIND",
        what="inference",
        watches=of_queue(prefix, "inference", "ApproximateAgeOfOldestMessage"),
        limit=told.inference_age_seconds,
        times=3,
    )


def _of_aurora(deployment: Deployment) -> Iterator[Rule]:
    prefix = deployment.name_prefix
    yield Rule(
        # No load is below zero: it rings when nothing is measured, which a living writer ends.
        problem="PS-AURORA-GONE",
        what="writer",
        watches=of_aurora(prefix, "CPUUtilization", "Maximum", Role="WRITER"),
        rings="below",
        limit=0,
        times=5,
        rings_unmeasured=True,
    )
    yield Rule(
        problem="PS-AURORA-BUSY",
        what="capacity",
        watches=of_aurora(prefix, "ACUUtilization", "Average"),
        limit=deployment.alarms.aurora_percent,
        times=15,
    )


def _of_training(watched: Watched) -> Iterator[Rule]:
    for ending in ("Failed", "TimedOut", "Aborted"):
        yield Rule(
            problem="PS-TRAINING-FAILED",
            what=ending.lower(),
            watches=Measure(
                namespace="AWS/States",
                name=f"Executions{ending}",
                dimensions={"StateMachineArn": watched.machine_arn},
                statistic="Sum",
                seconds=FIVE_MINUTES,
            ),
            limit=0,
        )


def _of_deliveries(deployment: Deployment) -> Iterator[Rule]:
    prefix, told, switches = deployment.name_prefix, deployment.alarms, deployment.extras
    streams = {"device-messages": switches.delivery, "latest-changes": switches.prediction_stream}
    for stream, is_on in streams.items():
        if is_on:
            yield Rule(
                problem="PS-DELIVERY-LATE",
                what=stream,
                watches=of_stream(prefix, stream),
                limit=told.delivery_age_seconds,
                times=2,
            )
    if switches.iot:
        yield any_visible("PS-DEVICES-REFUSED", prefix, "devices-dlq")
    if switches.iot and deployment.devices.gateway_key_secret_arn is not None:
        yield too_old(prefix, "device-readings", told.queue_age_seconds)
