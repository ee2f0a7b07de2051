"""What a sink is to this service: a name, and how it opens. One file in `sinks/` per sink."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from penstock.adapters.aurora import Pool
from penstock.ports import Clock, KeyValueStore, ObjectStore, Sink

from results_writer.settings import Settings


@dataclass(frozen=True, slots=True)
class SinkResources:
    """What the process owns and sinks share; `holder` is its name in leases."""

    clock: Clock
    tables: KeyValueStore
    lake: ObjectStore
    holder: str
    aurora: Pool | None = None


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is written: at this size, this age, or when this many packs wait for it.

    The age must stay at most a third of the queue's visibility.
    """

    max_bytes: int = 1024 * 1024
    max_age_seconds: float = 0.02
    max_packs: int = 64


@dataclass(frozen=True, slots=True)
class SinkPlugin:
    """A sink; its queue has its name.

    `newest_only` marks a place that keeps one prediction per asset and binding, not a history;
    `appends` one that keeps every revision, superseded or not.
    """

    name: str
    open: Callable[[Settings, SinkResources], AbstractAsyncContextManager[Sink]]
    limits: BatchLimits = BatchLimits()
    newest_only: bool = False
    appends: bool = False
