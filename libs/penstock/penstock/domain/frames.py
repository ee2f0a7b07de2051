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
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from penstock.domain.errors import InvalidInput
from penstock.domain.readings import Quality, Value, as_number, precedence
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
class Sample:
    """One value of a tag as a frame sees it."""

    at: Micros
    accepted_at: Micros
    value: Value
    quality: Quality

    def supersedes(self, other: "Sample") -> bool:
        """Whether this one counts where both are of one tag and time."""
        mine = precedence(self.accepted_at, self.quality, self.value)
        return mine > precedence(other.accepted_at, other.quality, other.value)


NEVER = Micros(-(2**62))
"""Before all times: nothing was let go yet."""


@dataclass(frozen=True, slots=True)
class TagSamples:
    """Known samples of one tag in order of time, one per instant.

    Every sample that ever was after `trimmed_until` is held; those up to it may have been let go,
    so one that a repeat brings back says nothing.
    """

    samples: tuple[Sample, ...] = ()
    trimmed_until: Micros = NEVER

    def merged(self, more: Sequence[Sample]) -> "TagSamples":
        """Union by time, so that order and repeats do not matter; itself where nothing is new."""
        by_time = {sample.at: sample for sample in self.samples}
        is_changed = False
        for sample in more:
            held = by_time.get(sample.at)
            if held is None or sample.supersedes(held):
                by_time[sample.at] = sample
                is_changed = True
        if not is_changed:
            return self
        return TagSamples(tuple(by_time[at] for at in sorted(by_time)), self.trimmed_until)

    def trimmed(self, *, keep: int, since: Micros) -> "TagSamples":
        """Let go of what is both older than `since` and beyond the newest `keep` samples."""
        cut = min(max(0, len(self.samples) - keep), self.index_at(since))
        cut = max(cut, self.index_at(Micros(self.trimmed_until + 1)))
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
    let_go_since = newest is None or newest.at <= known.trimmed_until
    matters = known.trimmed_until >= oldest or (is_age and known.trimmed_until > NEVER)
    if let_go_since and matters:
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
    first = bisect_left(seen, start, key=lambda sample: sample.at)
    span = [sample for sample in seen[first:] if definition.is_usable(sample)]
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
    recent = [s for s in seen[-definition.lookback() :] if s.at > known.trimmed_until]
    usable = [sample for sample in recent if definition.counts(feature, sample)]
    usable = usable[-definition.samples :]
    if len(usable) < definition.samples:
        is_all = known.trimmed_until == NEVER or len(recent) == definition.lookback()
        return WarmingUp(feature.tag) if is_all else NotHeld(feature.tag)
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
        number = feature.number(last.value) if last and definition.is_usable(last) else math.nan
        values.append(number)
        worst = max(worst, last.quality if last and not math.isnan(number) else Quality.BAD)
    return _Numbers(tuple(values), worst)


def trim_for(
    definitions: Sequence[FrameDefinition], tag: str, known: TagSamples, newest: Micros
) -> TagSamples:
    """Keep of one tag only what the next frames of these definitions need, and a small slack.

    The newest frame, at `newest`, can be computed afterwards whatever was let go.
    """
    reading = [definition for definition in definitions if tag in definition.tags]
    keep = max([1 + _SLACK, *(_samples_to_keep(definition, tag, known) for definition in reading)])
    spans = [d.needed_span() + max(d.every, 1) for d in reading if d.needed_span()]
    longest = max(spans, default=0)
    since = Micros(newest - longest - min(longest, _SLACK_SPAN)) if spans else Micros(newest + 1)
    return known.trimmed(keep=keep, since=since)


def _samples_to_keep(definition: FrameDefinition, tag: str, known: TagSamples) -> int:
    if not definition.samples:
        return 0
    features = [feature for feature in definition.features if feature.tag == tag]
    most = definition.lookback() + _SLACK
    usable = 0
    for count, sample in enumerate(reversed(known.samples[-most:]), start=1):
        usable += all(definition.counts(feature, sample) for feature in features)
        if usable == definition.samples + _SLACK:
            return count
    return most
