"""When a binding asks its model, and which frames a sample may have changed. All pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

from penstock.domain.frames import (
    NEEDS_SPAN,
    Aggregate,
    Feature,
    FrameDefinition,
    FrameMode,
)
from penstock.domain.samples import NEVER, TagSamples
from penstock.domain.time import Micros, floor_to

from inference_worker.bound import BoundBinding

Samples = Mapping[str, TagSamples]
NO_SAMPLES = TagSamples()


def event_times(
    binding: BoundBinding, times: Sequence[Micros], since: Micros, until: Micros
) -> set[Micros]:
    """Every event time in [since, until] at which samples of these trigger times make it ask."""
    if not binding.is_clocked:
        end = bisect_left(times, until + max(binding.grid, 1))
        asked = {floor_to(at, binding.grid) for at in times[bisect_left(times, since) : end]}
        return {at for at in asked if since <= at <= until}
    first, last = bisect_left(times, since), bisect_right(times, until)
    return {
        tick
        for position in range(first, min(last + 1, len(times)))
        for tick in _ticks(binding, times[position - 1] if position else None, times[position])
        if since <= tick <= until
    }


def trigger_times(binding: BoundBinding, samples: Samples) -> list[Micros]:
    """Times of the samples that make the binding ask, in order."""
    known = [samples[tag] for tag in binding.trigger_tags if tag in samples]
    return sorted({sample.at for one in known for sample in one.samples})


def known_trigger_times(binding: BoundBinding, samples: Samples) -> list[Micros]:
    """The same of a state that lets go: of each tag the newest sample let go has left its time."""
    gone = {samples[tag].trimmed_until for tag in binding.trigger_tags if tag in samples}
    return sorted({*trigger_times(binding, samples), *(gone - {NEVER})})


def ticks_beside(binding: BoundBinding, times: Sequence[Micros], at: Micros) -> Iterator[Micros]:
    """Ticks that a clocked binding owes to the sample at `at`: those up to its neighbours."""
    before, after = bisect_left(times, at), bisect_right(times, at)
    yield from _ticks(binding, times[before - 1] if before else None, at)
    if after < len(times):
        yield from _ticks(binding, at, times[after])


def _ticks(binding: BoundBinding, before: Micros | None, at: Micros) -> Iterator[Micros]:
    """Multiples of the grid after `before` up to `at`.

    In a gap longer than anything can be seen, only the last tick tells something new.
    """
    grid = binding.grid
    last = floor_to(at, grid)
    if before is None:
        if last == at:
            yield last
        return
    first = Micros(floor_to(before, grid) + grid)
    shown = min(last, before + binding.reach)
    yield from (Micros(tick) for tick in range(first, shown + 1, grid))
    if last > max(shown, before):
        yield last


def unknown_until(binding: BoundBinding, samples: Samples) -> Micros:
    """Up to this time trigger samples may have been let go: event times are not all known."""
    return max(
        (samples.get(tag, NO_SAMPLES).trimmed_until for tag in binding.trigger_tags),
        default=NEVER,
    )


def first_affected(frame: FrameDefinition, at: Micros) -> Micros:
    """First event time whose frame sees a sample at `at`."""
    return Micros(at - max(frame.every, 1) + 1)


def last_affected(frame: FrameDefinition, tag: str, known: TagSamples, at: Micros) -> Micros:
    """Last event time whose frame may look different because of the sample at `at`."""
    latest = max(
        _last_affected(frame, feature, known, at)
        for feature in frame.features
        if feature.tag == tag
    )
    return Micros(latest)


_FOREVER = Micros(2**62)


def _last_affected(
    frame: FrameDefinition, feature: Feature, known: TagSamples, at: Micros
) -> Micros:
    if frame.mode is FrameMode.WINDOW and frame.samples:
        return _until_pushed_out(frame, feature, known, at)
    step = max(frame.every, 1)
    if frame.mode is FrameMode.WINDOW:
        return Micros(at + frame.context * frame.every - step)
    if feature.aggregate in NEEDS_SPAN:
        return Micros(at + feature.over - step)
    following = known.samples[known.index_at(Micros(at + 1)) :][:1]
    replaced = Micros(following[0].at - step) if following else _FOREVER
    if feature.aggregate is Aggregate.AGE:
        return replaced
    return Micros(min(replaced, at + frame.max_staleness))


def _until_pushed_out(
    frame: FrameDefinition, feature: Feature, known: TagSamples, at: Micros
) -> Micros:
    newer = known.samples[known.index_at(Micros(at + 1)) :]
    usable = 0
    for count, sample in enumerate(newer, start=1):
        # One that may have been replaced since it was let go is not relied on.
        usable += sample.at > known.trimmed_until and frame.counts(feature, sample)
        if usable == frame.samples or count == frame.lookback():
            return Micros(sample.at - max(frame.every, 1))
    return _FOREVER
