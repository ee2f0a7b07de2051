"""What readings of one asset lead to: the new state, frames to ask about, and what to correct.

Everything here is pure. A frame is told only where the state before and the arrivals together
still hold all that it needs; whatever else may have changed goes to corrections.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

from penstock.channels.deferred import FrameRow
from penstock.domain.assets import Asset
from penstock.domain.frames import (
    Frame,
    NotHeld,
    Sample,
    TagSamples,
    WarmingUp,
    compute_frame,
    trim_for,
)
from penstock.domain.ids import LIVE, PackId, RunId
from penstock.domain.predictions import PredictionFlag
from penstock.domain.readings import ReadingFlag
from penstock.domain.time import MINUTE, Micros, floor_to

from inference_worker.bound import BoundAsset, BoundBinding
from inference_worker.state import REMEMBERED_PACKS, AssetState
from inference_worker.triggers import (
    NO_SAMPLES,
    event_times,
    first_affected,
    known_trigger_times,
    last_affected,
    ticks_beside,
    unknown_until,
)

_NEAR = Micros(5 * MINUTE)
"""Ranges to correct that are this close are read from the archive together."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A reading as it reaches its asset."""

    pack_id: PackId
    tag: str
    sample: Sample
    flags: ReadingFlag = ReadingFlag.NONE
    trace: str = ""


NO_PACK = PackId("")


class Fate(IntEnum):
    """What became of a reading; where several things did, the greatest is told."""

    UNBOUND = 0
    STATE_ONLY = 1
    LATE = 2
    WARMING_UP = 3
    CORRECTIONS = 4
    FRAMED = 5


@dataclass(frozen=True, slots=True)
class Range:
    """Event times to compute again, both ends included."""

    since: Micros
    until: Micros


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do; `rows` are asked about only after the state is written.

    `packs` names for each row the pack that led to it first.
    """

    state: AssetState
    is_changed: bool
    rows: tuple[FrameRow, ...] = ()
    packs: tuple[PackId, ...] = ()
    ranges: tuple[Range, ...] = ()
    fates: Mapping[PackId, Counter[Fate]] = field(default_factory=dict)
    skipped: int = 0


@dataclass(slots=True)
class Cause:
    """What made a binding ask at one event time."""

    received_at: Micros
    flags: PredictionFlag
    trace: str = ""
    pack_id: PackId = NO_PACK

    def join(self, other: "Cause") -> None:
        """Keep the earliest arrival, and every flag."""
        self.flags |= other.flags
        if other.received_at < self.received_at:
            self.received_at, self.trace = other.received_at, other.trace
            self.pack_id = other.pack_id


def plan(bound: BoundAsset, state: AssetState, arrivals: Sequence[Arrival]) -> Plan:
    """Decide what the arrivals lead to, given the state before them."""
    tracked = [arrival for arrival in arrivals if arrival.tag in bound.tags]
    union = _union(bound, state, tracked)
    fates = [Fate.STATE_ONLY if a.tag in bound.tags else Fate.UNBOUND for a in arrivals]
    asked = [
        _Asking(binding, state, union).ask(arrivals, fates)
        for binding in (bound.asking if tracked else ())
    ]
    ranges = joined(range_ for one in asked for range_ in one.ranges)
    after = _after(bound, state, union, tracked, has_ranges=bool(ranges))
    by_pack: dict[PackId, Counter[Fate]] = {}
    for arrival, fate in zip(arrivals, fates, strict=True):
        by_pack.setdefault(arrival.pack_id, Counter())[fate] += 1
    return Plan(
        state=after,
        is_changed=after is not state,
        rows=tuple(
            frame_row(one.binding, bound.asset, frame, cause, revision=after.version)
            for one in asked
            for frame, cause in one.frames
        ),
        packs=tuple(cause.pack_id for one in asked for _, cause in one.frames),
        ranges=ranges,
        fates=by_pack,
        skipped=sum(one.skipped for one in asked),
    )


def _union(
    bound: BoundAsset, state: AssetState, tracked: Sequence[Arrival]
) -> dict[str, TagSamples]:
    arrived: dict[str, list[Sample]] = {}
    for arrival in tracked:
        arrived.setdefault(arrival.tag, []).append(arrival.sample)
    # A tag that nothing reads any more is forgotten: what comes meanwhile is not kept either.
    union = {tag: known for tag, known in state.samples.items() if tag in bound.tags}
    for tag, samples in arrived.items():
        union[tag] = union.get(tag, NO_SAMPLES).merged(samples)
    return union


def _after(
    bound: BoundAsset,
    state: AssetState,
    union: Mapping[str, TagSamples],
    tracked: Sequence[Arrival],
    *,
    has_ranges: bool,
) -> AssetState:
    if not tracked:
        return state
    newest = max([state.newest, *(arrival.sample.at for arrival in tracked)])
    kept = {tag: trim_for(bound.definitions, tag, known, newest) for tag, known in union.items()}
    # Corrections are ordered by the version that asks for them, even where no sample was kept.
    if newest == state.newest and kept == state.samples and not has_ranges:
        return state
    packs = dict.fromkeys([*state.packs, *(arrival.pack_id for arrival in tracked)])
    return AssetState(kept, newest, tuple(packs)[-REMEMBERED_PACKS:], state.version + 1)


class _Asking:
    """What one binding owes to the arrivals."""

    def __init__(
        self, binding: BoundBinding, before: AssetState, union: Mapping[str, TagSamples]
    ) -> None:
        self.binding = binding
        self._before = before
        self._union = union
        self._causes: dict[Micros, Cause] = {}
        self.frames: list[tuple[Frame, Cause]] = []
        self.ranges: list[Range] = []
        self.skipped = 0

    def ask(self, arrivals: Sequence[Arrival], fates: list[Fate]) -> "_Asking":
        owed: list[tuple[int, set[Micros]]] = []
        for position, arrival in enumerate(arrivals):
            is_trigger = arrival.tag in self.binding.trigger_tags
            if not is_trigger and arrival.tag not in self.binding.frame_tags:
                continue
            if arrival.sample.at < self._before.newest - self.binding.grace:
                fates[position] = max(fates[position], Fate.LATE)
                continue
            ranges = len(self.ranges)
            times = {*self._own_times(arrival), *self._affected_times(arrival)}
            if len(self.ranges) > ranges:
                fates[position] = max(fates[position], Fate.CORRECTIONS)
            owed.append((position, times))
            flags = prediction_flags(arrival.flags)
            cause = Cause(arrival.sample.accepted_at, flags, arrival.trace, arrival.pack_id)
            for event_time in times:
                self._join(event_time, cause)
        outcome = {event_time: self._tell(event_time) for event_time in sorted(self._causes)}
        for position, times in owed:
            fates[position] = max([fates[position], *(outcome[at] for at in times)])
        return self

    @cached_property
    def _times(self) -> list[Micros]:
        return known_trigger_times(self.binding, self._union)

    def _join(self, event_time: Micros, cause: Cause) -> None:
        held = self._causes.get(event_time)
        if held is None:
            self._causes[event_time] = replace(cause)
        else:
            held.join(cause)

    def _own_times(self, arrival: Arrival) -> Iterable[Micros]:
        if arrival.tag not in self.binding.trigger_tags:
            return ()
        at = arrival.sample.at
        if not self.binding.is_clocked:
            return (floor_to(at, self.binding.grid),)
        if at <= unknown_until(self.binding, self._union):
            # Its neighbour may be let go: the archive knows which ticks lie between them.
            self.ranges.append(Range(at, at))
        return ticks_beside(self.binding, self._times, at)

    def _affected_times(self, arrival: Arrival) -> Iterable[Micros]:
        """Event times up to the newest whose frames, made already, may look different now."""
        at, binding = arrival.sample.at, self.binding
        since = first_affected(binding.frame, at)
        if arrival.tag not in binding.frame_tags or since > self._before.newest:
            return ()
        if self._is_in_step(arrival) or not self._may_differ(arrival):
            return ()
        until = last_affected(binding.frame, arrival.tag, self._union[arrival.tag], at)
        until = min(until, self._before.newest)
        unknown = unknown_until(binding, self._union)
        if since <= unknown:
            if since <= until:
                self.ranges.append(Range(since, min(until, unknown)))
            since = Micros(unknown + 1)
        return event_times(binding, self._times, since, until)

    def _is_in_step(self, arrival: Arrival) -> bool:
        """Whether the only frame made before that sees it is that of its own event time."""
        is_trigger = arrival.tag in self.binding.trigger_tags
        is_newest = arrival.sample.at > self._before.newest
        return is_newest and is_trigger and not self.binding.is_clocked

    def _may_differ(self, arrival: Arrival) -> bool:
        known = self._before.samples.get(arrival.tag, NO_SAMPLES)
        position = known.index_at(arrival.sample.at)
        held = known.samples[position] if position < len(known.samples) else None
        if held is None or held.at != arrival.sample.at or held == arrival.sample:
            # The same again may come from a delivery that died before it could publish.
            return True
        says_other = (held.value, held.quality) != (arrival.sample.value, arrival.sample.quality)
        return says_other and arrival.sample.supersedes(held)

    def _tell(self, event_time: Micros) -> Fate:
        match compute_frame(self.binding.frame, self._union, event_time):
            case NotHeld():
                self.ranges.append(Range(event_time, event_time))
                return Fate.CORRECTIONS
            case WarmingUp():
                return Fate.WARMING_UP
            case Frame() as frame if is_too_empty(self.binding, frame):
                self.skipped += 1
                return Fate.WARMING_UP
            case Frame() as frame:
                self.frames.append((frame, self._causes[event_time]))
                return Fate.FRAMED


def prediction_flags(flags: ReadingFlag) -> PredictionFlag:
    """What was assumed of a reading, as its predictions tell it."""
    if not flags:
        return PredictionFlag.NONE
    told = PredictionFlag.NONE
    if flags & ReadingFlag.ASSUMED_TIME:
        told |= PredictionFlag.ASSUMED_TIME
    if flags & ReadingFlag.ASSUMED_QUALITY:
        told |= PredictionFlag.ASSUMED_QUALITY
    return told


def is_too_empty(binding: BoundBinding, frame: Frame) -> bool:
    """Whether too few features are present to ask the model."""
    return len(frame.values) - frame.missing < binding.min_features_present


def frame_row(
    binding: BoundBinding,
    asset: Asset,
    frame: Frame,
    cause: Cause,
    *,
    revision: int,
    run: RunId = LIVE,
) -> FrameRow:
    """Make a finished frame, ready to be asked about by anyone at any time."""
    target = binding.target
    if target is None:
        raise ValueError(f"binding {binding.name} has no model to ask")
    return FrameRow(
        binding=binding.name,
        asset=asset.name,
        site=asset.site,
        asset_type=asset.asset_type,
        model=target.model,
        model_version=target.version,
        endpoint=target.endpoint,
        event_time=frame.event_time,
        run=run,
        revision=revision,
        features=list(frame.values),
        features_missing=frame.missing,
        quality=int(frame.quality),
        flags=int(cause.flags),
        received_at=cause.received_at,
        trace=cause.trace,
        threshold=binding.threshold,
        variant=target.variant,
    )


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Join ranges that overlap or lie near each other."""
    told: list[Range] = []
    for one in sorted(ranges, key=lambda r: r.since):
        if told and one.since <= told[-1].until + _NEAR:
            told[-1] = Range(told[-1].since, max(told[-1].until, one.until))
        else:
            told.append(one)
    return tuple(told)
