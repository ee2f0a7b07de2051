"""Deliveries of queue `corrections`: a range of an asset's event times, made from the archive."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import msgspec
from penstock.channels.corrections import CHANNEL, CorrectionMessage
from penstock.domain.errors import InvalidInput, NotYet, StoreUnavailable
from penstock.domain.ids import LIVE, AssetName, GatewayId, PackId, RunId, TagPath
from penstock.domain.readings import Reading
from penstock.domain.samples import NEVER, Sample
from penstock.domain.time import DAY, HOUR, Micros
from penstock.ports import Clock, Delivery, Publisher
from penstock.runtime.clock import new_id
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import current_span

from inference_worker.archived_packs import ArchivedPacks
from inference_worker.arrivals import Range
from inference_worker.bound import BoundAsset
from inference_worker.context import Snapshot
from inference_worker.recompute import (
    ArchivedReading,
    Recomputed,
    history_of,
    look_ahead,
    look_back,
    recompute,
    with_state,
)
from inference_worker.settle import Settle
from inference_worker.state import AssetState
from inference_worker.state_store import StateStore

_RECEIVES_PER_MESSAGE = 10
"""Waits before a message is sent anew: its receive count must not take it to the dead letters."""


class ReadingsReader(Protocol):
    """Reads archived readings."""

    async def read(
        self,
        since: Micros,
        until: Micros,
        *,
        tags: Collection[tuple[GatewayId | None, TagPath]] = (),
        prefixes: Collection[TagPath] = (),
    ) -> list[Reading]:
        """Read `[since, until)` of the tags, and of all tags below the prefixes."""
        ...


@dataclass(frozen=True, slots=True)
class CorrectionLimits:
    """How much one delivery computes, how far back it reads, how long it waits in all."""

    unit: Micros = HOUR
    furthest_look_back: Micros = DAY
    longest_wait: Micros = DAY


class CorrectionsHandler:
    """Waits until the archive has the packs, then computes what they changed."""

    def __init__(
        self,
        *,
        archive: ReadingsReader,
        states: StateStore,
        archived: ArchivedPacks,
        settle: Settle,
        snapshot: Callable[[], Snapshot],
        again: Publisher,
        clock: Clock,
        metrics: Metrics,
        limits: CorrectionLimits | None = None,
    ) -> None:
        """Keep the parts; `again` sends to the queue itself."""
        self._archive = archive
        self._states = states
        self._archived = archived
        self._settle = settle
        self._snapshot = snapshot
        self._again = again
        self._clock = clock
        self._metrics = metrics
        self._limits = limits or CorrectionLimits()

    async def handle(self, delivery: Delivery) -> None:
        """Correct one unit of the range, and send the rest as a message of its own."""
        message = CHANNEL.decode(delivery.body)
        missing = await self._archived.missing([PackId(pack) for pack in message.packs])
        if missing:
            await self._wait(message, missing, delivery.receive_count)
            return
        snapshot = self._snapshot()
        bound = snapshot.bound(AssetName(message.asset))
        if bound is None or not bound.asking:
            return
        unit = Range(message.since, Micros(min(message.until, message.since + self._limits.unit)))
        state = await self._states.read(bound.asset.name, fresh=True)
        made = await self._make(snapshot, bound, unit, message, state)
        self._metrics.count("frames_skipped", made.skipped)
        self._metrics.count("frames_corrected", len(made.rows))
        await self._settle(made.rows, lane="bulk")
        if unit.until < message.until:
            await self._send(message, since=Micros(unit.until + 1))

    async def _wait(
        self, message: CorrectionMessage, missing: list[PackId], receive_count: int
    ) -> None:
        if self._clock.now() - message.created_at > self._limits.longest_wait:
            raise InvalidInput(f"{len(missing)} packs never came to the archive: {missing[0]} ...")
        if receive_count >= _RECEIVES_PER_MESSAGE:
            await self._send(message, packs=missing, attempts=message.attempts + receive_count)
            return
        seconds = min(10.0, 2.0 ** (receive_count - 1 + message.attempts))
        raise NotYet(f"{len(missing)} packs are not archived", retry_after_seconds=seconds)

    async def _make(
        self,
        snapshot: Snapshot,
        bound: BoundAsset,
        unit: Range,
        message: CorrectionMessage,
        state: AssetState,
    ) -> Recomputed:
        """Read ever further back, until nothing that a frame needs lies before what was read."""
        run = RunId(message.run)
        look = look_back(bound)
        while True:
            is_furthest = look >= self._limits.furthest_look_back
            since = Micros(unit.since - look)
            readings = await self._read(snapshot, bound, since, unit.until)
            history = history_of(readings, bound, since=NEVER if is_furthest else since)
            if run == LIVE:
                history = with_state(history, state)
            revision = message.revision or state.version
            trace = current_span().trace or message.trace
            made = recompute(bound, history, unit, revision=revision, run=run, trace=trace)
            if is_furthest or not made.lacks_history:
                return made
            look = Micros(min(4 * look, max(self._limits.furthest_look_back, look)))

    async def _read(
        self, snapshot: Snapshot, bound: BoundAsset, since: Micros, until: Micros
    ) -> list[ArchivedReading]:
        given = snapshot.tags_given_to(bound.asset.name)
        readings = await self._archive.read(
            since,
            Micros(until + look_ahead(bound)),
            tags=[(tag.gateway_id, tag.path) for tag in given],
            prefixes=bound.asset.prefixes,
        )
        told = []
        for reading in readings:
            tag_of = snapshot.resolve(reading.gateway_id, reading.tag)
            if tag_of is not None and tag_of.asset == bound.asset.name:
                sample = Sample(reading.at, reading.accepted_at, reading.value, reading.quality)
                told.append(ArchivedReading(tag_of.tag, sample, reading.flags))
        return told

    async def _send(self, message: CorrectionMessage, **changes: object) -> None:
        copy = msgspec.structs.replace(message, id=new_id(self._clock), **changes)
        (outcome,) = await self._again.publish([CHANNEL.encode(copy)])
        if not outcome.is_durable:
            raise StoreUnavailable(f"the rest of a correction was not taken: {outcome.error}")
