"""Shares of a source's rate, decided purely: who may ask it now, how often, and until when.

A source bears `rps` requests a second, `concurrency` at once, from all fetchers together. One item
per source keeps when the next request may start, who holds how many places, and until when all
must wait because the source said so. Fetchers lease blocks of about a second, so that the item is
written once a second and not once a request. Every place has an end: a fetcher that died holds
nothing for longer than its last request could have taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from penstock.domain.time import SECOND, Micros

BLOCK = SECOND
"""Span of requests that one lease covers; nobody books further ahead, so all learn soon."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a source bears; `longest` is the longest that one request can take."""

    rps: float
    concurrency: int
    longest: Micros

    @property
    def spacing(self) -> Micros:
        """Time from one start to the next."""
        return Micros(round(SECOND / self.rps))


@dataclass(frozen=True, slots=True)
class Places:
    """Requests that a holder may have under way at once, until they are nobody's."""

    count: int
    until: Micros


@dataclass(frozen=True, slots=True)
class Shares:
    """What is given away of a source's rate."""

    next_at: Micros = Micros(0)
    not_before: Micros = Micros(0)
    holders: Mapping[str, Places] = field(default_factory=dict)

    def others(self, holder: str, now: Micros) -> dict[str, Places]:
        """What the others hold now."""
        return {k: v for k, v in self.holders.items() if k != holder and v.until > now}


@dataclass(frozen=True, slots=True)
class Grant:
    """Places until their end, and a time for each request to start."""

    places: Places
    starts: tuple[Micros, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is free before `until`."""

    until: Micros


def lease(
    shares: Shares, holder: str, rate: Rate, *, wanted: int, now: Micros
) -> tuple[Shares, Grant] | Wait:
    """Give a holder places and starts for up to `wanted` requests, or say until when to wait.

    Its new places take the place of those that it holds.
    """
    if now < shares.not_before:
        return Wait(shares.not_before)
    start = max(now, shares.next_at)
    if start >= now + BLOCK:
        return Wait(start)
    others = shares.others(holder, now)
    free = rate.concurrency - sum(places.count for places in others.values())
    if free <= 0:
        soonest = min(places.until for places in others.values())
        return Wait(min(soonest, Micros(now + BLOCK)))
    fitting = max(1, (now + BLOCK - start) // max(rate.spacing, 1))
    count = min(wanted, fitting)
    starts = tuple(Micros(start + n * rate.spacing) for n in range(count))
    places = Places(min(wanted, free), Micros(starts[-1] + rate.longest))
    given = replace(
        shares, next_at=Micros(starts[-1] + rate.spacing), holders={**others, holder: places}
    )
    return given, Grant(places, starts)


def release(shares: Shares, holder: str, now: Micros) -> Shares:
    """Give the places of a holder back."""
    return replace(shares, holders=shares.others(holder, now))


def hold_back(shares: Shares, until: Micros) -> Shares:
    """Let nobody ask before a time."""
    return replace(shares, not_before=Micros(max(shares.not_before, until)))
