"""Every topic, queue, table, bucket, command and schedule as plain data: the one list that all
others read.
"""

from dataclasses import dataclass
from typing import Any

from penstock import channels
from penstock.channel import Channel, Queue, Topic
from penstock.command import Command, OnBacklog, OnCpu, PathRule, Schedule
from penstock.plugins import discover


@dataclass(frozen=True, slots=True)
class Index:
    """Another order over a table's items: `partition` is text, `sort` a number (a time), or text
    that sorts.
    """

    name: str
    partition: str
    sort: str
    sorts_text: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A key-value table; its keys are text, `ttl` names the attribute with its end in epoch s."""

    name: str
    partition: str
    sort: str | None = None
    ttl: str | None = None
    indexes: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket for objects."""

    name: str


CHANNELS: dict[str, Channel[Any]] = discover(channels, attribute="CHANNEL", kind=Channel)

TOPICS: tuple[Topic, ...] = tuple(
    channel.carrier for channel in CHANNELS.values() if isinstance(channel.carrier, Topic)
)
QUEUES: tuple[Queue, ...] = tuple(queue for c in CHANNELS.values() for queue in c.queues)
DEAD_LETTER_QUEUES: tuple[str, ...] = (
    *(queue.dead_letter_name for queue in QUEUES),
    *(
        topic.subscription_dead_letter_name(queue)
        for topic in TOPICS
        for queue in topic.subscribers
    ),
)
"""Names of all that keep what was given up: one per queue, and one per subscription of a topic."""

GATEWAYS = Table("gateways", "gateway_id")
"""Settings and key hashes of each gateway."""
STATE = Table("state", "key")
"""Frame state per lane and asset."""
LEDGER = Table("ledger", "pack_id", "hop", ttl="expires_at")
"""What each hop made of each pack."""
LATEST = Table("latest", "asset", "binding")
"""The newest live prediction of each asset and binding."""
DISCOVERED_TAGS = Table("discovered-tags", "gateway_id", "tag")
"""Tags that were seen and belong to no asset yet."""
DEAD_LETTERS = Table("dead-letters", "id", indexes=(Index("by-queue", "queue", "died_at"),))
"""Index of the dead letters kept on S3."""
SOURCES = Table("sources", "name")
"""REST sources of history."""
JOBS = Table(
    "jobs", "job_id", indexes=(Index("by-creation", "listing", "created_at", sorts_text=True),)
)
"""Training jobs: body, status, times, counters of open slices."""
SLICES = Table("slices", "job_run", "slice_id")
"""Slices of a job's run and their states."""
STEPS = Table("steps", "job_id", "event_id")
"""Every step and event of a job, in order."""
DATASETS = Table("datasets", "dataset_id")
"""Prepared datasets: recipe, counts, files."""
MODELS = Table("models", "model", "version")
"""Model versions, and which one is champion (version `champion`)."""
LEASES = Table("leases", "name", ttl="expires_at")
"""Who may do what only one may do, with an end; and shares of a source's rate."""
IDEMPOTENCY = Table("idempotency", "key", ttl="expires_at")
"""Answers given under an Idempotency-Key."""
AUDIT = Table("audit", "day", "event_id")
"""Who changed what."""

TABLES: tuple[Table, ...] = (
    GATEWAYS, STATE, LEDGER, LATEST, DISCOVERED_TAGS, DEAD_LETTERS, SOURCES, JOBS, SLICES, STEPS,
    DATASETS, MODELS, LEASES, IDEMPOTENCY, AUDIT,
)  # fmt: skip

ARCHIVE = Bucket("archive")
"""Raw readings and quarantine as Parquet, dead letters as they were."""
LAKE = Bucket("lake")
"""Predictions as Parquet, every revision."""
TRAINING = Bucket("training")
"""Raw slices, prepared datasets, model artefacts."""

BUCKETS: tuple[Bucket, ...] = (ARCHIVE, LAKE, TRAINING)

STATE_MACHINE = "training"
"""Name of the state machine that owns the order of a training job."""

_QUEUE = {queue.name: queue for queue in QUEUES}

COMMANDS: tuple[Command, ...] = (
    Command(
        name="ingest-api", image="ingest-api", port=8081, scaling=OnCpu(percent=55),
        least_tasks=2, most_tasks=20, cpu=1024, memory_mib=2048,
    ),
    Command(
        name="training-orchestrator", image="training-orchestrator", port=8082,
        consumes=(_QUEUE["commands"],), scaling=OnBacklog(messages_per_task=20),
        least_tasks=2, most_tasks=4, memory_mib=2048,
    ),
    Command(
        name="console", image="console", port=8083, scaling=OnCpu(percent=60),
        least_tasks=2, most_tasks=4, uses_aurora=True,
    ),
    Command(
        name="inference-worker", image="inference-worker", port=8084,
        consumes=(_QUEUE["inference"], _QUEUE["deferred"], _QUEUE["corrections"]),
        scaling=OnBacklog(messages_per_task=16),
        least_tasks=2, most_tasks=40, cpu=1024, memory_mib=2048, uses_aurora=True,
    ),
    Command(
        name="results-writer", image="results-writer", port=8085,
        consumes=(
            _QUEUE["aurora"], _QUEUE["snowflake"], _QUEUE["lake"], _QUEUE["latest"],
            _QUEUE["archive"],
        ),
        scaling=OnBacklog(messages_per_task=400),
        least_tasks=2, most_tasks=10, cpu=1024, memory_mib=2048, uses_aurora=True, reaches_out=True,
    ),
    Command(
        name="training-fetcher", image="training-orchestrator", port=8086,
        consumes=(_QUEUE["slices"],), scaling=OnBacklog(messages_per_task=16),
        most_tasks=8, reaches_out=True,
    ),
    Command(
        name="training-preparer", image="training-orchestrator", port=8087,
        consumes=(_QUEUE["prepare"],), scaling=OnBacklog(messages_per_task=1),
        most_tasks=4, cpu=4096, memory_mib=16384, stop_seconds=120, has_long_work=True,
    ),
)  # fmt: skip
"""Every long-running process; compose, CDK and the embedded stack start these and no others."""

PATH_RULES: tuple[PathRule, ...] = (
    PathRule("/v1/readings", "ingest-api"),
    PathRule("/v1/ping", "ingest-api"),
    PathRule("/v1/objects", "ingest-api"),
    PathRule("/v1/jobs", "training-orchestrator"),
    PathRule("/v1/datasets", "training-orchestrator"),
    PathRule("/v1/models", "training-orchestrator"),
    PathRule("/v1/endpoints", "training-orchestrator"),
)
"""Who answers behind the one address: in order, the first that covers a path wins."""
OTHER_PATHS = "console"
"""Who answers every other path."""

SCHEDULES: tuple[Schedule, ...] = ()
"""Messages sent by the clock."""


def physical_name(prefix: str, name: str) -> str:
    """Name of a resource in an account: every one starts with the deployment's prefix."""
    return f"{prefix}-{name}"
