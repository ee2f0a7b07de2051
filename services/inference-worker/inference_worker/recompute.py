"""Frames of a range made again from archived readings. All pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from penstock.channels.deferred import FrameRow
from penstock.domain.frames import (
    Frame,
    NotHeld,
    compute_frame,
)
from penstock.domain.ids import LIVE, RunId
from penstock.domain.predictions import PredictionFlag
from penstock.domain.readings import ReadingFlag
from penstock.domain.samples import NEVER, Sample, TagSamples
from penstock.domain.time import MINUTE, Micros

from inference_worker.arrivals import Cause, Range, prediction_flags
from inference_worker.bound import BoundAsset, BoundBinding
from inference_worker.owed import is_too_empty
from inference_worker.rows import frame_row
from inference_worker.state import AssetState
from inference_worker.triggers import NO_SAMPLES, event_times, trigger_times

_AT_LEAST = Micros(10 * MINUTE)


@dataclass(frozen=True, slots=True)
class ArchivedReading:
    """A reading of one asset as the archive tells it."""

    tag: str
    sample: Sample
    flags: ReadingFlag = ReadingFlag.NONE


@dataclass(frozen=True, slots=True)
class History:
    """What the archive tells of an asset's tags: everything after `since`."""

    samples: Mapping[str, TagSamples]
    flags: Mapping[tuple[str, Micros], ReadingFlag] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The frames made again; `lacks_history` where older readings must be read first."""

    rows: tuple[FrameRow, ...]
    skipped: int
    lacks_history: bool


def history_of(readings: Iterable[ArchivedReading], bound: BoundAsset, *, since: Micros) -> History:
    """Gather readings by tag; what is older than `since` counts as not read.

    NEVER means that nothing older is to be had.
    """
    by_tag: dict[str, list[Sample]] = {tag: [] for tag in bound.tags}
    flags = {}
    for reading in readings:
        if reading.tag in by_tag:
            by_tag[reading.tag].append(reading.sample)
            if reading.flags:
                flags[reading.tag, reading.sample.at] = reading.flags
    unread = TagSamples((), since if since == NEVER else Micros(since - 1))
    return History({tag: unread.merged(samples) for tag, samples in by_tag.items()}, flags)


def with_state(history: History, state: AssetState) -> History:
    """Add what the live state still holds: the last samples of tags that speak rarely."""
    samples = dict(history.samples)
    for tag, read in history.samples.items():
        held = state.samples.get(tag)
        if held is not None:
            since = min(read.trimmed_until, held.trimmed_until)
            samples[tag] = TagSamples((), since).merged([*read.samples, *held.samples])
    return replace(history, samples=samples)


def look_back(bound: BoundAsset) -> Micros:
    """How far before a range readings are wanted at first."""
    return Micros(max([_AT_LEAST, *(binding.reach for binding in bound.asking)]))


def look_ahead(bound: BoundAsset) -> Micros:
    """How far after a range readings are wanted: its last step, and what a clock owes up to."""
    steps = [2 * max(binding.frame.every, binding.grid, 1) for binding in bound.asking]
    clocks = [binding.reach for binding in bound.asking if binding.is_clocked]
    return Micros(max(steps) + max(clocks, default=0))


def recompute(
    bound: BoundAsset,
    history: History,
    range_: Range,
    *,
    revision: int,
    run: RunId = LIVE,
    trace: str = "",
) -> Recomputed:
    """Make every frame of the range again, as if all readings had come at once.

    `trace` is that of what made it necessary: the readings' own is not kept.
    """
    rows: list[FrameRow] = []
    skipped = 0
    lacks_history = False
    for binding in bound.asking:
        for event_time in sorted(_asked(binding, history, range_)):
            match compute_frame(binding.frame, history.samples, event_time):
                case NotHeld():
                    lacks_history = True
                case Frame() as frame if is_too_empty(binding, frame):
                    skipped += 1
                case Frame() as frame:
                    cause = _cause(binding, history, event_time, run)._replace(trace=trace)
                    row = frame_row(binding, bound.asset, frame, cause, revision=revision, run=run)
                    rows.append(row)
    return Recomputed(tuple(rows), skipped, lacks_history)


def _asked(binding: BoundBinding, history: History, range_: Range) -> set[Micros]:
    since, until = range_.since, range_.until
    times = trigger_times(binding, history.samples)
    if binding.is_clocked:
        # The ticks between the range and the samples beside it are owed as well.
        before, after = bisect_left(times, since), bisect_right(times, until)
        since = Micros(times[before - 1] + 1) if before else since
        until = times[after] if after < len(times) else until
    return event_times(binding, times, since, until)


def _cause(binding: BoundBinding, history: History, event_time: Micros, run: RunId) -> Cause:
    causes = [
        Cause(
            sample.accepted_at,
            prediction_flags(history.flags.get((tag, sample.at), ReadingFlag.NONE)),
        )
        for tag, sample in _triggers(binding, history, event_time)
    ]
    first = reduce(Cause.joined, causes) if causes else Cause(event_time, 0)
    late = PredictionFlag.LATE if run == LIVE else PredictionFlag.NONE
    return first._replace(flags=first.flags | late)


def _triggers(
    binding: BoundBinding, history: History, event_time: Micros
) -> Iterator[tuple[str, Sample]]:
    until = Micros(event_time + max(binding.grid, 1))
    for tag in binding.trigger_tags:
        known = history.samples.get(tag, NO_SAMPLES)
        inside = known.samples[known.index_at(event_time) : known.index_at(until)]
        yield from ((tag, sample) for sample in inside)
