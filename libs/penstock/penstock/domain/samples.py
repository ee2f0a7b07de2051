"""Samples of a tag as frames see them, and what is known of a tag after letting go of some."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from penstock.domain.readings import Quality, Value, precedence
from penstock.domain.time import Micros

_AT = attrgetter("at")


class Sample(NamedTuple):
    """One value of a tag as a frame sees it; a tuple, since millions are made."""

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
        if len(more) == 1 and (not self.samples or more[0].at > self.samples[-1].at):
            return TagSamples((*self.samples, *more), self.trimmed_until)
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
        samples = self.samples
        if not samples:
            return self
        cut = max(0, len(samples) - keep)
        if cut and samples[cut - 1].at >= since:
            cut = self.index_at(since)
        if samples[cut:] and samples[cut].at <= self.trimmed_until:
            cut = self.index_at(Micros(self.trimmed_until + 1))
        if cut == 0:
            return self
        return TagSamples(samples[cut:], max(self.trimmed_until, samples[cut - 1].at))

    def index_at(self, at: Micros) -> int:
        """Position of the first sample at or after `at`."""
        return bisect_left(self.samples, at, key=_AT)
