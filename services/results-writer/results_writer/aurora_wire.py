"""Predictions as the rows of a binary COPY, column by column: no object per prediction is made.

A field is its length and its bytes, most significant first; a row is the number of its fields and
the fields. What many rows share is laid out once: the fields of an origin are kept for as long as
its keys are, those of a pack, a trace or a judgement for a batch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import repeat
from operator import sub
from struct import Struct
from typing import NamedTuple, TypeVar

from penstock.channels.predictions import Origin, PredictionColumns, PredictionPack
from penstock.domain.time import to_micros

from results_writer.dimensions import Keys

COLUMNS = (
    "event_time", "received_at", "predicted_at", "revision", "value", "probability",
    "binding_id", "asset_id", "run_id", "model_version_id", "variant_id", "kind", "threshold",
    "decision", "quality", "features_missing", "flags",
    "trace_id", "pack_id",
)  # fmt: skip
"""What is copied, in the order of a row's fields: its time comes first, so rows sort by it."""

Key = tuple[int, bytes]
"""A row's identity: the microseconds of its event time, and `OriginFields.identity`."""

K = TypeVar("K")

_EPOCH = to_micros(datetime(2000, 1, 1, tzinfo=UTC))
_ROWS_AT_ONCE = 512
_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_NUMBERS = Struct("!h iq iq iq iq id id").pack
_WHOLE_NUMBERS = Struct("!h iq iq iq iq").pack
_INT2, _INT4, _DOUBLE = Struct("!ih").pack, Struct("!ii").pack, Struct("!id").pack


class OriginFields(NamedTuple):
    """The fields that an origin gives to each of its rows; `identity` is what `fields` begins with.

    Of equal identity are the origins of one binding, asset and run, whatever else differs.
    """

    identity: bytes
    fields: bytes


def origin_fields(origin: Origin, keys: Keys) -> OriginFields:
    """Lay out an origin."""
    identity = identity_of(keys.binding, keys.asset, keys.run)
    others = _INT4(4, keys.model_version) + _INT4(4, keys.variant) + _INT2(2, origin.kind)
    return OriginFields(identity, identity + others + _double(origin.threshold))


def identity_of(binding: int, asset: int, run: int) -> bytes:
    """Lay out the three keys that, with the event time, are a row's identity."""
    return _INT4(4, binding) + _INT4(4, asset) + _INT4(4, run)


def since_2000(times: Iterable[int]) -> Iterator[int]:
    """Times in microseconds as PostgreSQL counts them."""
    return map(sub, times, repeat(_EPOCH))


def keys_of(pack: PredictionPack, origins: Sequence[OriginFields]) -> Iterator[Key]:
    """Tell the identity of each row; `origins` lays out those of the pack."""
    identities = [origin.identity for origin in origins]
    times, places = pack.columns.event_time, pack.columns.origin
    return zip(times, map(identities.__getitem__, places), strict=True)


def rows_of(packs: Iterable[tuple[PredictionPack, Sequence[OriginFields]]]) -> list[bytes]:
    """Lay out the rows of packs, each with its origins."""
    judgements, traces = _Fields(_judgement), _Fields(_trace)
    rows: list[bytes] = []
    for pack, origins in packs:
        c = pack.columns
        own = [origin.fields for origin in origins]
        fields = zip(
            _numbers(c),
            map(own.__getitem__, c.origin),
            map(
                judgements.__getitem__,
                zip(c.decision, c.quality, c.features_missing, c.flags, strict=True),
            ),
            map(traces.__getitem__, c.trace),
            repeat(_bytes(pack.id.encode()), len(pack)),
            strict=True,
        )
        rows += map(b"".join, fields)
    return rows


def to_copy(rows: Sequence[bytes]) -> Iterator[bytes]:
    """Make all that a COPY is sent, in portions that psycopg sends as they are."""
    yield _BEGIN
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield b"".join(rows[start : start + _ROWS_AT_ONCE])
    yield _END


class _Fields(dict[K, bytes]):
    """Fields by what they hold: each is laid out when it is first asked for."""

    def __init__(self, lay_out: Callable[[K], bytes]) -> None:
        super().__init__()
        self._lay_out = lay_out

    def __missing__(self, held: K) -> bytes:
        field = self[held] = self._lay_out(held)
        return field


def _numbers(c: PredictionColumns) -> list[bytes]:
    wide = repeat(8)
    whole: list[Iterable[int]] = [
        repeat(len(COLUMNS)), wide, since_2000(c.event_time), wide, since_2000(c.received_at),
        wide, since_2000(c.predicted_at), wide, c.revision,
    ]  # fmt: skip
    if _has_null(c.value) or _has_null(c.probability):
        pairs = zip(map(_WHOLE_NUMBERS, *whole), c.value, c.probability, strict=True)
        return [numbers + _double(value) + _double(other) for numbers, value, other in pairs]
    return list(map(_NUMBERS, *whole, wide, c.value, wide, c.probability))


def _has_null(numbers: Sequence[float | None]) -> bool:
    try:
        sum(numbers)  # type: ignore[arg-type]  # that is the question
    except TypeError:  # six times as fast as to look for a null
        return True
    return False


def _double(number: float | None) -> bytes:
    return _NULL if number is None else _DOUBLE(8, number)


def _judgement(held: tuple[bool | None, int, int, int]) -> bytes:
    decision, quality, features_missing, flags = held
    decided = _NULL if decision is None else _INT2(2, decision)
    return decided + _INT2(2, quality) + _INT4(4, features_missing) + _INT4(4, flags)


def _trace(trace_id: str) -> bytes:
    try:
        return _bytes(bytes.fromhex(trace_id)) if trace_id else _NULL
    except ValueError:
        return _NULL


def _bytes(held: bytes) -> bytes:
    return len(held).to_bytes(4) + held
