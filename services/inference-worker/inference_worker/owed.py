"""What one binding owes to the readings that arrived at its asset. All pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

from penstock.domain.frames import Frame, NotHeld, WarmingUp, compute_frame
from penstock.domain.samples import TagSamples
from penstock.domain.time import Micros, floor_to

from inference_worker.arrivals import Arrival, Cause, Fate, Range, prediction_flags
from inference_worker.bound import BoundBinding
from inference_worker.state import AssetState
from inference_worker.triggers import (
    NO_SAMPLES,
    event_times,
    first_affected,
    known_trigger_times,
    last_affected,
    ticks_beside,
    unknown_until,
)


class Owed:
    """What one binding owes to the arrivals: frames to ask about, and ranges to correct."""

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

    def tell(self, arrivals: Sequence[Arrival], fates: list[Fate]) -> "Owed":
        """Work it out, and raise the fates of the arrivals to what this binding makes of them."""
        owed: list[tuple[int, Collection[Micros]]] = []
        tags, oldest = self.binding.tags, self._before.newest - self.binding.grace
        for position, arrival in enumerate(arrivals):
            if arrival.tag not in tags:
                continue
            if arrival.sample.at < oldest:
                fates[position] = max(fates[position], Fate.LATE)
                continue
            ranges = len(self.ranges)
            times = self._times_of(arrival)
            if len(self.ranges) > ranges:
                fates[position] = max(fates[position], Fate.CORRECTIONS)
            owed.append((position, times))
            self._blame(arrival, times)
        fate_by_time = {at: self._compute(at) for at in sorted(self._causes)}
        for position, times in owed:
            for at in times:
                fates[position] = max(fates[position], fate_by_time[at])
        return self

    def _times_of(self, arrival: Arrival) -> Collection[Micros]:
        if self._is_in_step(arrival):
            return (floor_to(arrival.sample.at, self.binding.grid),)
        own = self._own_times(arrival)
        affected = self._affected_times(arrival)
        return {*own, *affected} if affected else own

    def _blame(self, arrival: Arrival, times: Iterable[Micros]) -> None:
        flags = prediction_flags(arrival.flags)
        cause = Cause(arrival.sample.accepted_at, flags, arrival.trace, arrival.pack_id)
        for event_time in times:
            held = self._causes.get(event_time)
            self._causes[event_time] = cause if held is None else held.joined(cause)

    @cached_property
    def _times(self) -> list[Micros]:
        return known_trigger_times(self.binding, self._union)

    def _own_times(self, arrival: Arrival) -> Collection[Micros]:
        if arrival.tag not in self.binding.trigger_tags:
            return ()
        at = arrival.sample.at
        if not self.binding.is_clocked:
            return (floor_to(at, self.binding.grid),)
        if at <= unknown_until(self.binding, self._union):
            # Its neighbour may be let go: the archive knows which ticks lie between them.
            self.ranges.append(Range(at, at))
        return set(ticks_beside(self.binding, self._times, at))

    def _affected_times(self, arrival: Arrival) -> Collection[Micros]:
        """Event times up to the newest whose frames, made already, may look different now."""
        at, binding = arrival.sample.at, self.binding
        since = first_affected(binding.frame, at)
        if arrival.tag not in binding.frame_tags or since > self._before.newest:
            return ()
        if not self._may_differ(arrival):
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
        """Whether the only frame that it may change or cause is that of its own event time."""
        binding = self.binding
        if binding.is_clocked or arrival.sample.at <= self._before.newest:
            return False
        return arrival.tag in binding.trigger_tags

    def _may_differ(self, arrival: Arrival) -> bool:
        known = self._before.samples.get(arrival.tag, NO_SAMPLES)
        position = known.index_at(arrival.sample.at)
        held = known.samples[position] if position < len(known.samples) else None
        if held is None or held.at != arrival.sample.at or held == arrival.sample:
            # The same again may come from a delivery that died before it could publish.
            return True
        says_other = (held.value, held.quality) != (arrival.sample.value, arrival.sample.quality)
        return says_other and arrival.sample.supersedes(held)

    def _compute(self, event_time: Micros) -> Fate:
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


def is_too_empty(binding: BoundBinding, frame: Frame) -> bool:
    """Whether too few features are present to ask the model."""
    return len(frame.values) - frame.missing < binding.min_features_present
