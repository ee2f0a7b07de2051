"""Pure decisions about a batch: what can never be written, what is superseded within it.

It runs for every prediction in every sink, so it leans on what Python does in C.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from operator import attrgetter

from penstock.channels.predictions import Origin, PredictionPack
from penstock.domain.predictions import Prediction, newest_by_identity
from penstock.domain.time import to_iso, to_micros
from penstock.ports import WriteReport

Identity = tuple[str, str, int, str]
Precedence = tuple[int, int, str]

LONGEST_NAME = 255
"""Characters of a name: the strictest place takes 1,024 bytes for a key."""
_EARLIEST = to_micros(datetime(2000, 1, 1, tzinfo=UTC))
_LATEST = to_micros(datetime(2100, 1, 1, tzinfo=UTC))
_BITS_31 = 2**31
_BITS_63 = 2**63

_names_of = attrgetter(
    "binding", "asset", "run", "pack_id", "site", "asset_type", "model", "model_version", "variant"
)
_KEYS = 4
"""So many of the names, from the first, must not be empty."""
_OTHER = ("-",)
"""Stands for the pack id where the names of an origin are judged without one."""
_identity_of = attrgetter("binding", "asset", "event_time", "run")


@lru_cache(maxsize=65_536)
def _fault_of_names(names: tuple[str, ...]) -> str | None:
    # The same names come again and again: remembering the answer is most of the speed.
    if not all(names[:_KEYS]):
        return "binding, asset, run and pack id must not be empty"
    for name in names:
        surrogate = not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name)
        if len(name) > LONGEST_NAME or "\0" in name or surrogate:
            return f"a name is longer than {LONGEST_NAME} characters or not text: {name[:80]!a}"
    return None


def refusal(p: Prediction) -> str | None:
    """Say why no sink can ever write a prediction; None where every one can."""
    fault = _fault_of_names(_names_of(p))
    if fault is not None:
        return fault
    if not (
        _EARLIEST <= p.event_time < _LATEST
        and _EARLIEST <= p.received_at < _LATEST
        and _EARLIEST <= p.predicted_at < _LATEST
    ):
        return f"a time lies outside {to_iso(_EARLIEST)} to {to_iso(_LATEST)}"
    if not (0 <= p.revision < _BITS_63 and 0 <= p.features_missing < _BITS_31 > p.flags >= 0):
        return "revision, features_missing or flags is negative or too large"
    value, probability, threshold = p.value, p.probability, p.threshold
    if not (
        (value is None or isfinite(value))
        and (probability is None or isfinite(probability))
        and (threshold is None or isfinite(threshold))
    ):
        return "value, probability or threshold is not a finite number"
    return None


def refusals(pack: PredictionPack, *, judged: Container[Origin] = ()) -> dict[int, str]:
    """Say of all in a pack that no sink can ever write why, by place.

    Whole columns are looked at first, and its predictions one by one only where that finds
    something. The names of origins that were `judged` before are not judged again.
    """
    if _is_plain(pack, judged):
        return {}
    reasons = enumerate(map(refusal, pack))
    return {place: reason for place, reason in reasons if reason is not None}


def _is_plain(pack: PredictionPack, judged: Container[Origin]) -> bool:
    c = pack.columns
    return not len(pack) or (
        all(
            _EARLIEST <= min(times) <= max(times) < _LATEST
            for times in (c.event_time, c.received_at, c.predicted_at)
        )
        and all(0 <= revision < _BITS_63 for revision in set(c.revision))
        and all(0 <= count < _BITS_31 for count in {*c.features_missing, *c.flags})
        # A sum is finite only where every number is.
        and isfinite(sum(filter(None, c.value)) + sum(filter(None, c.probability)))
        and _fault_of_names((pack.id,) * _KEYS) is None
        and (all(map(judged.__contains__, c.origins)) or all(map(_is_plain_origin, c.origins)))
    )


def _is_plain_origin(o: Origin) -> bool:
    names = (o.binding, o.asset, o.run, *_OTHER, o.site, o.asset_type, o.model, o.model_version)
    return _fault_of_names((*names, o.variant)) is None and isfinite(o.threshold or 0.0)


@dataclass(frozen=True, slots=True)
class Triage:
    """A batch sorted out: `newest` holds what is worth writing, once per identity."""

    predictions: Sequence[Prediction]
    newest: list[Prediction]
    failed: Mapping[int, str]

    def report(self, held: Iterable[tuple[Identity, Precedence]] = ()) -> WriteReport:
        """Tell what became of each item, where the place holds these greater precedences."""
        greater = dict(held)
        if not greater and len(self.newest) + len(self.failed) == len(self.predictions):
            return WriteReport(failed=self.failed)
        greatest: dict[Identity, Precedence] = {p.identity: p.precedence for p in self.newest}
        for identity, precedence in greater.items():
            greatest[identity] = max(greatest[identity], precedence)
        superseded = {
            position
            for position, prediction in enumerate(self.predictions)
            if position not in self.failed and prediction.precedence < greatest[prediction.identity]
        }
        return WriteReport(superseded, self.failed)


def triage(predictions: Sequence[Prediction]) -> Triage:
    """Set aside what can never be written, and keep the newest of each identity."""
    reasons = enumerate(map(refusal, predictions))
    failed = {position: reason for position, reason in reasons if reason is not None}
    writable = [p for n, p in enumerate(predictions) if n not in failed]
    has_repeats = len(set(map(_identity_of, writable))) < len(writable)
    newest = newest_by_identity(writable) if has_repeats else writable
    return Triage(predictions, newest, failed)
