"""Frames: how tags become the features that a model is given.

One definition serves the training dataset and the live binding, so training and serving agree.
The meaning, in one place, for the worker here and for the dataset's SQL alike:

- A frame has an event time `t`, floored to `every` where there is one.
  It sees the samples *before* `t + every` (up to and including `t` without a step).
- `last`: the newest seen sample no older than `t - max_staleness`; missing when that one is bad,
  since a value from before a fault says nothing about now.
- An aggregate `over` a span looks at the good samples of the last `over` before that limit.
  `std` is the population's; `delta` is last minus first; `age` is seconds from the newest seen
  sample to `t`, not below 0; `count` of nothing is 0, every other aggregate of nothing is missing.
- A window is the last `samples` good samples of each feature's tag, oldest first, or with `context`
  the last value of each of that many steps.
- Missing is NaN. Uncertain samples count as good or as bad, as the definition says.
"""

import math
import statistics
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from penstock.domain.errors import InvalidInput
from penstock.domain.readings import Quality, Value, as_number
from penstock.domain.time import HOUR, Micros, floor_to


class FrameMode(StrEnum):
    """How a frame gathers its features."""

    ROW = "row"
    WINDOW = "window"
    SEQUENCE = "sequence"


class Aggregate(StrEnum):
    """The closed list of what a feature can be made of."""

    LAST = "last"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    STD = "std"
    DELTA = "delta"
    COUNT = "count"
    AGE = "age"


NEEDS_SPAN = frozenset(Aggregate) - {Aggregate.LAST, Aggregate.AGE}
_SLACK = 4
"""Samples kept per tag beyond what the newest frame needs, so that small disorder stays live."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a frame: a tag (by its name within the asset) and an aggregate.

    `categories` turns text into its position in the list.
    """

    name: str
    tag: str
    aggregate: Aggregate = Aggregate.LAST
    over: Micros = Micros(0)
    categories: tuple[str, ...] = ()

    def number(self, value: Value) -> float:
        """Number of one value, NaN where it has none."""
        if self.categories and isinstance(value, str):
            known = value in self.categories
            return float(self.categories.index(value)) if known else math.nan
        return as_number(value)


@dataclass(frozen=True, slots=True)
class FrameDefinition:
    """What a model's features are; frozen in the model version."""

    mode: FrameMode
    features: tuple[Feature, ...] = ()
    every: Micros = Micros(0)
    max_staleness: Micros = HOUR
    keep_uncertain: bool = True
    samples: int = 0
    context: int = 0

    def __post_init__(self) -> None:
        """Refuse what could never be computed, saying which field to change."""
        if self.mode is not FrameMode.SEQUENCE and not self.features:
            raise InvalidInput("frame.features: at least one feature is needed")
        for feature in self.features:
            if feature.aggregate in NEEDS_SPAN and feature.over <= 0:
                raise InvalidInput(
                    f"frame.features.{feature.name}: agg {feature.aggregate} needs `over`"
                )
        if self.mode is FrameMode.WINDOW and (self.samples > 0) == (self.context > 0):
            raise InvalidInput("frame: a window needs either `samples`, or `context` with `step`")
        if self.context > 0 and self.every <= 0:
            raise InvalidInput("frame: `context` needs a `step`")

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the features read, each once, in order."""
        return tuple(dict.fromkeys(feature.tag for feature in self.features))

    @property
    def width(self) -> int:
        """How many numbers a frame has; 0 where the payload decides."""
        match self.mode:
            case FrameMode.ROW:
                return len(self.features)
            case FrameMode.WINDOW:
                return len(self.features) * (self.samples or self.context)
            case FrameMode.SEQUENCE:
                return self.samples

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each number of a frame."""
        if self.mode is FrameMode.ROW:
            return tuple(feature.name for feature in self.features)
        length = self.samples or self.context
        names = [feature.name for feature in self.features] or ["value"]
        return tuple(f"{name}[{i - length}]" for name in names for i in range(length))

    def needed_samples(self) -> int:
        """Samples of a tag that the newest frame needs, where it counts them."""
        return max(1, self.samples)

    def needed_span(self) -> Micros:
        """How far back before its event time a frame looks by time."""
        spans = [feature.over for feature in self.features if feature.aggregate in NEEDS_SPAN]
        return Micros(max([*spans, self.context * self.every]))

    def event_time(self, at: Micros) -> Micros:
        """Event time of the frame that a sample at `at` belongs to."""
        return floor_to(at, self.every)

    def limit(self, event_time: Micros) -> Micros:
        """First instant that the frame does not see."""
        return Micros(event_time + max(self.every, 1))


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """One value of a tag as a frame sees it."""

    at: Micros
    accepted_at: Micros
    value: Value = field(compare=False)
    quality: Quality = field(compare=False)


@dataclass(frozen=True, slots=True)
class TagSamples:
    """Known samples of one tag in order of time, one per instant.

    Samples at or before `trimmed_until` may have existed and been let go; -1 means none were.
    """

    samples: tuple[Sample, ...] = ()
    trimmed_until: Micros = Micros(-1)

    def merged(self, more: Sequence[Sample]) -> "TagSamples":
        """Union by time, the later accepted winning, so that order and repeats do not matter."""
        by_time = {sample.at: sample for sample in self.samples}
        for sample in more:
            held = by_time.get(sample.at)
            if held is None or sample.accepted_at > held.accepted_at:
                by_time[sample.at] = sample
        return TagSamples(tuple(by_time[at] for at in sorted(by_time)), self.trimmed_until)

    def trimmed(self, *, keep: int, since: Micros) -> "TagSamples":
        """Let go of what is both older than `since` and beyond the newest `keep` samples."""
        cut = min(max(0, len(self.samples) - keep), self.index_at(since))
        if cut == 0:
            return self
        gone = max(self.trimmed_until, self.samples[cut - 1].at)
        return TagSamples(self.samples[cut:], gone)

    def index_at(self, at: Micros) -> int:
        """Position of the first sample at or after `at`."""
        return bisect_left(self.samples, at, key=lambda sample: sample.at)


@dataclass(frozen=True, slots=True)
class Frame:
    """The features of one asset at one event time; NaN is missing."""

    event_time: Micros
    values: tuple[float, ...]
    missing: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class NotHeld:
    """The samples at hand no longer tell this frame: it must be computed from the archive."""

    tag: str


@dataclass(frozen=True, slots=True)
class WarmingUp:
    """The tag has not yet had the samples that a window needs."""

    tag: str


FrameOutcome = Frame | NotHeld | WarmingUp
_NO_SAMPLES = TagSamples()


def compute_frame(
    definition: FrameDefinition, samples_by_tag: Mapping[str, TagSamples], event_time: Micros
) -> FrameOutcome:
    """Make the frame of one event time, or say why it cannot be made from these samples."""
    values: list[float] = []
    worst = Quality.GOOD
    for feature in definition.features:
        known = samples_by_tag.get(feature.tag, _NO_SAMPLES)
        seen = known.samples[: known.index_at(definition.limit(event_time))]
        match definition.mode:
            case FrameMode.WINDOW if definition.samples:
                outcome = _last_samples(definition, feature, known, seen)
            case FrameMode.WINDOW:
                outcome = _last_steps(definition, feature, known, event_time)
            case _:
                outcome = _row_value(definition, feature, known, seen, event_time)
        if not isinstance(outcome, _Numbers):
            return outcome
        values.extend(outcome.values)
        worst = max(worst, outcome.quality)
    missing = sum(math.isnan(value) for value in values)
    return Frame(event_time, tuple(values), missing, worst)


@dataclass(frozen=True, slots=True)
class _Numbers:
    values: tuple[float, ...]
    quality: Quality = Quality.GOOD


_MISSING = _Numbers((math.nan,), Quality.BAD)


def _usable(definition: FrameDefinition, sample: Sample) -> bool:
    worst_allowed = Quality.UNCERTAIN if definition.keep_uncertain else Quality.GOOD
    return sample.quality <= worst_allowed


def _row_value(
    definition: FrameDefinition,
    feature: Feature,
    known: TagSamples,
    seen: Sequence[Sample],
    event_time: Micros,
) -> _Numbers | NotHeld:
    if feature.aggregate in NEEDS_SPAN:
        return _over_span(definition, feature, known, seen, event_time)
    oldest = Micros(event_time - definition.max_staleness)
    newest = seen[-1] if seen else None
    is_age = feature.aggregate is Aggregate.AGE
    let_go_since = newest is None or newest.at < known.trimmed_until
    if known.trimmed_until >= 0 and let_go_since and (is_age or known.trimmed_until >= oldest):
        return NotHeld(feature.tag)
    if newest is None:
        return _MISSING
    if is_age:
        return _Numbers((max(0.0, (event_time - newest.at) / 1e6),))
    if newest.at < oldest or not _usable(definition, newest):
        return _MISSING
    number = feature.number(newest.value)
    return _MISSING if math.isnan(number) else _Numbers((number,), newest.quality)


def _over_span(
    definition: FrameDefinition,
    feature: Feature,
    known: TagSamples,
    seen: Sequence[Sample],
    event_time: Micros,
) -> _Numbers | NotHeld:
    start = Micros(definition.limit(event_time) - feature.over)
    if known.trimmed_until >= start:
        return NotHeld(feature.tag)
    first = bisect_left(seen, start, key=lambda sample: sample.at)
    span = [sample for sample in seen[first:] if _usable(definition, sample)]
    numbers = [(feature.number(sample.value), sample.quality) for sample in span]
    present = [(number, quality) for number, quality in numbers if not math.isnan(number)]
    worst = max((quality for _, quality in present), default=Quality.GOOD)
    value = aggregate_numbers(feature.aggregate, [number for number, _ in present])
    return _MISSING if math.isnan(value) else _Numbers((value,), worst)


def aggregate_numbers(aggregate: Aggregate, numbers: Sequence[float]) -> float:
    """Aggregate the numbers of a span, oldest first; NaN where there is nothing to aggregate."""
    if aggregate is Aggregate.COUNT:
        return float(len(numbers))
    if not numbers:
        return math.nan
    match aggregate:
        case Aggregate.MEAN:
            return statistics.fmean(numbers)
        case Aggregate.MIN:
            return min(numbers)
        case Aggregate.MAX:
            return max(numbers)
        case Aggregate.STD:
            return statistics.pstdev(numbers)
        case Aggregate.DELTA:
            return numbers[-1] - numbers[0]
        case _:
            raise ValueError(f"{aggregate} is not an aggregate over a span")


def _last_samples(
    definition: FrameDefinition, feature: Feature, known: TagSamples, seen: Sequence[Sample]
) -> _Numbers | NotHeld | WarmingUp:
    usable = [
        sample
        for sample in seen[-(2 * definition.samples + _SLACK) :]
        if _usable(definition, sample) and not math.isnan(feature.number(sample.value))
    ][-definition.samples :]
    if len(usable) < definition.samples:
        trimmed = known.trimmed_until >= 0
        return NotHeld(feature.tag) if trimmed else WarmingUp(feature.tag)
    if usable[0].at <= known.trimmed_until:
        return NotHeld(feature.tag)
    worst = max(sample.quality for sample in usable)
    return _Numbers(tuple(feature.number(sample.value) for sample in usable), worst)


def _last_steps(
    definition: FrameDefinition, feature: Feature, known: TagSamples, event_time: Micros
) -> _Numbers | NotHeld:
    start = Micros(definition.limit(event_time) - definition.context * definition.every)
    if known.trimmed_until >= start:
        return NotHeld(feature.tag)
    values: list[float] = []
    worst = Quality.GOOD
    for step in range(definition.context):
        since = Micros(start + step * definition.every)
        until = Micros(since + definition.every)
        inside = known.samples[known.index_at(since) : known.index_at(until)]
        last = inside[-1] if inside else None
        number = feature.number(last.value) if last and _usable(definition, last) else math.nan
        values.append(number)
        worst = max(worst, last.quality if last and not math.isnan(number) else Quality.BAD)
    return _Numbers(tuple(values), worst)


def trim_for(
    definitions: Sequence[FrameDefinition], known: TagSamples, newest: Micros
) -> TagSamples:
    """Keep of one tag only what the next frames of these definitions need, and a small slack."""
    keep = max((definition.needed_samples() for definition in definitions), default=1) + _SLACK
    spans = [d.needed_span() + max(d.every, 1) for d in definitions if d.needed_span()]
    since = Micros(newest - max(spans)) if spans else Micros(newest + 1)
    return known.trimmed(keep=keep, since=since)
