"""What readings of one asset lead to: the new state, frames to ask about, and what to correct.

Everything here is pure. A frame is told only where the state before and the arrivals together
still hold all that it needs; whatever else may have changed goes to corrections.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.channels.deferred import FrameRow
from penstock.domain.ids import PackId
from penstock.domain.samples import Sample, TagSamples
from penstock.domain.time import MINUTE, Micros

from inference_worker.arrivals import Arrival, Fate, Range
from inference_worker.bound import BoundAsset
from inference_worker.owed import Owed
from inference_worker.rows import frame_row
from inference_worker.state import PACKS_AT_MOST, AssetState
from inference_worker.triggers import NO_SAMPLES

_NEAR = Micros(5 * MINUTE)
"""Ranges to correct that are this close are read from the archive together."""


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


def plan(bound: BoundAsset, state: AssetState, arrivals: Sequence[Arrival]) -> Plan:
    """Decide what the arrivals lead to, given the state before them."""
    tags = bound.tags
    tracked = [arrival for arrival in arrivals if arrival.tag in tags]
    union = _union(bound, state, tracked)
    fates = [Fate.STATE_ONLY if a.tag in tags else Fate.UNBOUND for a in arrivals]
    asking = bound.asking if tracked else ()
    owed = [Owed(binding, state, union).tell(arrivals, fates) for binding in asking]
    ranges = joined(range_ for one in owed for range_ in one.ranges)
    after = _after(bound, state, union, tracked, has_ranges=bool(ranges))
    return Plan(
        state=after,
        is_changed=after is not state,
        rows=tuple(
            frame_row(one.binding, bound.asset, frame, cause, revision=after.version)
            for one in owed
            for frame, cause in one.frames
        ),
        packs=tuple(cause.pack_id for one in owed for _, cause in one.frames),
        ranges=ranges,
        fates=_by_pack(arrivals, fates),
        skipped=sum(one.skipped for one in owed),
    )


def _by_pack(arrivals: Sequence[Arrival], fates: Sequence[Fate]) -> dict[PackId, Counter[Fate]]:
    by_pack: dict[PackId, Counter[Fate]] = {}
    for arrival, fate in zip(arrivals, fates, strict=True):
        counts = by_pack.get(arrival.pack_id)
        if counts is None:
            counts = by_pack[arrival.pack_id] = Counter()
        counts[fate] += 1
    return by_pack


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
    kept = {tag: bound.keeping[tag].trimmed(known, newest) for tag, known in union.items()}
    # Corrections are ordered by the version that asks for them, even where no sample was kept.
    if newest == state.newest and kept == state.samples and not has_ranges:
        return state
    packs = dict.fromkeys([*state.packs, *(arrival.pack_id for arrival in tracked)])
    return AssetState(kept, newest, tuple(packs)[-PACKS_AT_MOST:], state.version + 1)


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Join ranges that overlap or lie near each other."""
    told: list[Range] = []
    for one in sorted(ranges, key=lambda r: r.since):
        if told and one.since <= told[-1].until + _NEAR:
            told[-1] = Range(told[-1].since, max(told[-1].until, one.until))
        else:
            told.append(one)
    return tuple(told)
