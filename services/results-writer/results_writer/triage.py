"""Pure decisions about a batch: what can never be written, what is superseded within it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

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


@lru_cache(maxsize=65_536)
def _is_name(name: str) -> bool:
    # The same names come again and again: asking the cache is a tenth of looking at each.
    surrogate = not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name)
    return len(name) <= LONGEST_NAME and "\0" not in name and not surrogate


def refusal(prediction: Prediction) -> str | None:
    """Say why no sink can ever write a prediction; None where every one can."""
    p = prediction
    if not (p.binding and p.asset and p.run and p.pack_id):
        return "binding, asset, run and pack id must not be empty"
    names = (
        p.binding, p.asset, p.run, p.pack_id, p.site, p.asset_type, p.model, p.model_version,
        p.variant,
    )  # fmt: skip
    for name in names:
        if not _is_name(name):
            return f"a name is longer than {LONGEST_NAME} characters or not text: {name[:80]!a}"
    for at in (p.event_time, p.received_at, p.predicted_at):
        if not _EARLIEST <= at < _LATEST:
            return f"a time lies outside {to_iso(_EARLIEST)} to {to_iso(_LATEST)}"
    if not (0 <= p.revision < _BITS_63 and 0 <= p.features_missing < _BITS_31 > p.flags >= 0):
        return "revision, features_missing or flags is negative or too large"
    for number in (p.value, p.probability, p.threshold):
        if number is not None and not math.isfinite(number):
            return "value, probability or threshold is not a finite number"
    return None


@dataclass(frozen=True, slots=True)
class Triage:
    """A batch sorted out: `newest` holds what is worth writing, once per identity."""

    predictions: Sequence[Prediction]
    newest: list[Prediction]
    failed: Mapping[int, str]

    def report(self, held: Iterable[tuple[Identity, Precedence]] = ()) -> WriteReport:
        """Tell what became of each item, where the place holds these greater precedences."""
        greatest: dict[Identity, Precedence] = {p.identity: p.precedence for p in self.newest}
        for identity, precedence in held:
            greatest[identity] = max(greatest[identity], precedence)
        superseded = {
            position
            for position, prediction in enumerate(self.predictions)
            if position not in self.failed and prediction.precedence < greatest[prediction.identity]
        }
        return WriteReport(superseded, self.failed)


def triage(predictions: Sequence[Prediction]) -> Triage:
    """Set aside what can never be written, and keep the newest of each identity."""
    reasons = ((position, refusal(p)) for position, p in enumerate(predictions))
    failed = {position: reason for position, reason in reasons if reason is not None}
    newest = newest_by_identity([p for n, p in enumerate(predictions) if n not in failed])
    return Triage(predictions, newest, failed)
