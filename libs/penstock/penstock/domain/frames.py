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
- A window is the last `samples` good samples of each feature's tag, oldest first, looked for among
  its last `2 * samples + 4` seen ones; or with `context` the last value of each of that many steps.
- Missing is NaN. Uncertain samples count as good or as bad, as the definition says.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from penstock.domain.errors import InvalidInput
from penstock.domain.readings import Quality, Value, as_number
from penstock.domain.samples import NEVER, Sample, TagSamples
from penstock.domain.time import HOUR, SECOND, Micros, floor_to


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
_SLACK_SPAN = Micros(10 * SECOND)
"""Samples, and span, kept per tag beyond what the newest frame needs: small disorder stays live."""


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

    def lookback(self) -> int:
        """How many of the newest seen samples of a tag decide a frame, where it counts them."""
        return 2 * self.samples + _SLACK if self.samples else 1

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

    def is_usable(self, sample: "Sample") -> bool:
        """Whether the sample's quality is good enough."""
        worst_allowed = Quality.UNCERTAIN if self.keep_uncertain else Quality.GOOD
        return sample.quality <= worst_allowed

    def counts(self, feature: Feature, sample: "Sample") -> bool:
        """Whether the sample is one of those that a window counts."""
        return self.is_usable(sample) and not math.isnan(feature.number(sample.value))


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
    read = _READ_BY_MODE[definition.mode, definition.samples > 0]
    limit = definition.limit(event_time)
    values: list[float] = []
    worst = Quality.GOOD
    for feature in definition.features:
        known = samples_by_tag.get(feature.tag, _NO_SAMPLES)
        outcome = read(definition, feature, known, _seen(known, limit), event_time)
        if not isinstance(outcome, _Numbers):
            return outcome
        values.extend(outcome.values)
        worst = max(worst, outcome.quality)
    missing = sum(map(math.isnan, values))
    return Frame(event_time, tuple(values), missing, worst)


def _seen(known: TagSamples, limit: Micros) -> Sequence[Sample]:
    samples = known.samples
    if not samples or samples[-1].at < limit:  # as nearly always: a frame is asked for at once
        return samples
    return samples[: known.index_at(limit)]


class _Numbers(NamedTuple):
    values: tuple[float, ...]
    quality: Quality = Quality.GOOD


_MISSING = _Numbers((math.nan,), Quality.BAD)


def _row_value(
    definition: FrameDefinition,
    feature: Feature,
    known: TagSamples,
    seen: Sequence[Sample],
    event_time: Micros,
) -> _Numbers | NotHeld:
    if feature.aggregate in NEEDS_SPAN:
        return _over_span(definition, feature, known, seen, event_time)
    oldest = event_time - definition.max_staleness
    newest = seen[-1] if seen else None
    is_age = feature.aggregate is Aggregate.AGE
    if newest is None or newest.at <= known.trimmed_until:
        matters = known.trimmed_until >= oldest or (is_age and known.trimmed_until > NEVER)
        if matters:
            return NotHeld(feature.tag)
    if newest is None:
        return _MISSING
    if is_age:
        return _Numbers((max(0.0, (event_time - newest.at) / 1e6),))
    if newest.at < oldest or not definition.is_usable(newest):
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
    span = [s for s in seen[known.index_at(start) :] if definition.is_usable(s)]
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
    definition: FrameDefinition,
    feature: Feature,
    known: TagSamples,
    seen: Sequence[Sample],
    _event_time: Micros,
) -> _Numbers | NotHeld | WarmingUp:
    recent = [s for s in seen[-definition.lookback() :] if s.at > known.trimmed_until]
    usable = [sample for sample in recent if definition.counts(feature, sample)]
    usable = usable[-definition.samples :]
    if len(usable) < definition.samples:
        is_all = known.trimmed_until == NEVER or len(recent) == definition.lookback()
        return WarmingUp(feature.tag) if is_all else NotHeld(feature.tag)
    worst = max(sample.quality for sample in usable)
    return _Numbers(tuple(feature.number(sample.value) for sample in usable), worst)


def _last_steps(
    definition: FrameDefinition,
    feature: Feature,
    known: TagSamples,
    _seen: Sequence[Sample],
    event_time: Micros,
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
        number = feature.number(last.value) if last and definition.is_usable(last) else math.nan
        values.append(number)
        worst = max(worst, last.quality if last and not math.isnan(number) else Quality.BAD)
    return _Numbers(tuple(values), worst)


_Read = Callable[
    [FrameDefinition, Feature, TagSamples, Sequence[Sample], Micros],
    _Numbers | NotHeld | WarmingUp,
]
_READ_BY_MODE: Mapping[tuple[FrameMode, bool], _Read] = {
    (FrameMode.ROW, False): _row_value,
    (FrameMode.ROW, True): _row_value,
    (FrameMode.WINDOW, True): _last_samples,
    (FrameMode.WINDOW, False): _last_steps,
    (FrameMode.SEQUENCE, False): _row_value,
    (FrameMode.SEQUENCE, True): _row_value,
}


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the next frames need of one tag: samples by number, by time, and those that count.

    `span` 0 means that nothing is needed by time.
    """

    least: int
    span: Micros
    windows: tuple[tuple[FrameDefinition, tuple[Feature, ...]], ...]

    def trimmed(self, known: TagSamples, newest: Micros) -> TagSamples:
        """Let go of the rest; the frame at `newest` can be computed afterwards all the same."""
        keep = self.least
        for definition, features in self.windows:
            keep = max(keep, _samples_to_keep(definition, features, known))
        since = newest - self.span if self.span else newest + 1
        return known.trimmed(keep=keep, since=Micros(since))


def keeping_for(definitions: Sequence[FrameDefinition], tag: str) -> Keeping:
    """What these definitions need of a tag, and a small slack, so that small disorder is live."""
    reading = [
        (definition, tuple(feature for feature in definition.features if feature.tag == tag))
        for definition in definitions
        if tag in definition.tags
    ]
    spans = [d.needed_span() + max(d.every, 1) for d, _ in reading if d.needed_span()]
    longest = max(spans, default=0)
    return Keeping(
        least=1 + _SLACK,
        span=Micros(longest + min(longest, _SLACK_SPAN)),
        windows=tuple((d, features) for d, features in reading if d.samples),
    )


def _samples_to_keep(
    definition: FrameDefinition, features: Sequence[Feature], known: TagSamples
) -> int:
    most = definition.lookback() + _SLACK
    usable = 0
    for count, sample in enumerate(reversed(known.samples[-most:]), start=1):
        usable += all(definition.counts(feature, sample) for feature in features)
        if usable == definition.samples + _SLACK:
            return count
    return most
