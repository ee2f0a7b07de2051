"""Loads and a shape whose figures are easy to reckon with by hand."""

from dataclasses import replace

from penstock_client.cost.shape import CommandShape, Shape
from penstock_client.cost.sizing import Measured, Use, tasks_for
from penstock_client.cost.usage import Usage
from penstock_client.cost.workload import Deployment, Workload

MONTH = 730 * 3600
"""Seconds."""


def command(name: str, *queues: str, least_tasks: int = 1, cpu_target: float = 0.5) -> CommandShape:
    return CommandShape(
        name=name, image=name, cpu=1024, memory_mib=2048, least_tasks=least_tasks, most_tasks=10,
        queues=queues, cpu_target=cpu_target,
    )  # fmt: skip


SHAPE = Shape(
    commands=(
        command("ingest-api"),
        command("inference-worker", "inference"),
        command("results-writer", "aurora", "archive"),
        command("console"),
    ),
    subscribers={"readings": ("inference", "archive"), "predictions": ("aurora",)},
    queues=3,
    dead_letter_queues=6,
    topics=2,
    path_rules=7,
    metrics=10,
    settings={
        "commit_linger_seconds": 0.1,
        "publish_linger_seconds": 0.0,
        "receive_wait_seconds": 10.0,
        "dead_letter_wait_seconds": 20.0,
        "context_poll_seconds": 2.0,
        "gateways_refresh_seconds": 5.0,
        "cached_states": 1_000_000.0,
        "archive_age_seconds": 9.9,
        "archive_bytes": 4_000_000.0,
        "lake_age_seconds": 30.0,
        "lake_bytes": 4_000_000.0,
        "snowflake_age_seconds": 30.0,
    },
)
NOTHING_MEASURED = Measured("2026-11-28", "by hand", {})

LOAD = Workload(gateways=10, readings_per_second=1_000.0, models=1)
"""Ten bodies of 100 readings a second, 50 assets of 20 tags, 50 predictions a second."""


def uses(**by_command: Use) -> Measured:
    named = {name.replace("_", "-"): use for name, use in by_command.items()}
    return Measured("2026-11-28", "by hand", named)


def deployment(
    *, shape: Shape = SHAPE, measured: Measured = NOTHING_MEASURED, **changes: object
) -> Deployment:
    load = replace(LOAD, **changes)  # type: ignore[arg-type]  # fields of the load by name
    return Deployment(load, shape, tasks_for(load, shape, measured))


def quantities(usages: "list[Usage]") -> dict[str, float]:
    return {usage.what: usage.quantity for usage in usages}
