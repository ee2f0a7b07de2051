"""Every topic, queue, table and bucket as plain data: the one list that all others read."""

from dataclasses import dataclass
from typing import Any

from penstock import channels
from penstock.channel import Channel, Queue, Topic
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


def physical_name(prefix: str, name: str) -> str:
    """Name of a resource in an account: every one starts with the deployment's prefix."""
    return f"{prefix}-{name}"
