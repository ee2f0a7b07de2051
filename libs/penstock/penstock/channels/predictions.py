"""Topic `predictions`: packs of predictions of any bindings, assets and model versions."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import overload

import msgspec

from penstock.channel import Channel, Envelope, Queue, Topic
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import AssetName, BindingName, PackId, RunId
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import Micros
from penstock.packing import Packed, deltas, from_deltas, pack_columns, unpack_columns

VERSION = 1
PREDICTIONS = "predictions"

_KINDS = frozenset(map(int, PredictionKind))
_QUALITIES = frozenset(map(int, Quality))


class Origin(msgspec.Struct, frozen=True, array_like=True, cache_hash=True, gc=False):
    """What many predictions share: the dictionary entry that a row points to."""

    binding: str
    asset: str
    site: str
    asset_type: str
    model: str
    model_version: str
    variant: str
    run: str
    kind: int
    threshold: float | None


_ORIGINS_KEPT = 65_536
_read_origin = lru_cache(_ORIGINS_KEPT)(msgspec.json.Decoder(Origin).decode)
"""The same origins come with every pack: each is one object, read and hashed once."""


class PredictionColumns(msgspec.Struct, frozen=True):
    """Predictions by column; times are differences, NaN travels as null."""

    origins: list[Origin] = []
    origin: list[int] = []
    event_time: list[int] = []
    revision: list[int] = []
    value: list[float | None] = []
    probability: list[float | None] = []
    decision: list[bool | None] = []
    quality: list[int] = []
    features_missing: list[int] = []
    flags: list[int] = []
    received_at: list[int] = []
    predicted_at: list[int] = []
    trace: list[str] = []
    features: list[list[float | None]] = []


class _ColumnsToRead(PredictionColumns, frozen=True):
    """The same, each origin in the bytes that it came in."""

    origins: list[msgspec.Raw] = []  # type: ignore[assignment]  # never seen outside


class PredictionsMessage(Envelope, frozen=True, kw_only=True):
    """A pack of predictions, or a canary."""

    data: Packed = Packed()


def _origin(p: Prediction) -> Origin:
    return Origin(
        p.binding, p.asset, p.site, p.asset_type, p.model, p.model_version, p.variant, p.run,
        int(p.kind), p.threshold,
    )  # fmt: skip


def columns_of(predictions: Sequence[Prediction]) -> PredictionColumns:
    """Sort predictions into columns, their times whole; the pack's id is none of them."""
    origins: dict[Origin, int] = {}
    return PredictionColumns(
        origin=[origins.setdefault(_origin(p), len(origins)) for p in predictions],
        origins=list(origins),
        event_time=[p.event_time for p in predictions],
        revision=[p.revision for p in predictions],
        value=[p.value for p in predictions],
        probability=[p.probability for p in predictions],
        decision=[p.decision for p in predictions],
        quality=[int(p.quality) for p in predictions],
        features_missing=[p.features_missing for p in predictions],
        flags=[int(p.flags) for p in predictions],
        received_at=[p.received_at for p in predictions],
        predicted_at=[p.predicted_at for p in predictions],
        trace=[p.trace_id for p in predictions],
        features=[list(p.features) for p in predictions],
    )


def predictions_message(
    predictions: Sequence[Prediction], *, pack_id: str, created_at: Micros, trace: str = ""
) -> PredictionsMessage:
    """Make a pack."""
    columns = _with_times(columns_of(predictions), deltas)
    return PredictionsMessage(
        version=VERSION, id=pack_id, created_at=created_at, trace=trace, kind=PREDICTIONS,
        data=pack_columns(columns),
    )  # fmt: skip


class PredictionPack(Sequence[Prediction]):
    """An opened pack: its columns, times whole; a prediction is an object only when asked for."""

    def __init__(self, pack_id: PackId, columns: PredictionColumns) -> None:
        """Take columns that fit each other."""
        self.id = pack_id
        self.columns = columns

    def __len__(self) -> int:
        """How many predictions it holds."""
        return len(self.columns.origin)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...
    @overload
    def __getitem__(self, place: slice) -> list[Prediction]: ...
    def __getitem__(self, place: int | slice) -> Prediction | list[Prediction]:
        """Make one, or those of a slice."""
        places = range(len(self))[place]
        if isinstance(places, int):
            return next(self._made([places]))
        return list(self._made(places))

    def __iter__(self) -> Iterator[Prediction]:
        """Make them one after another, anew each time."""
        return self._made(range(len(self)))

    def _made(self, places: Iterable[int]) -> Iterator[Prediction]:
        c = self.columns
        for i in places:
            o = c.origins[c.origin[i]]
            yield Prediction(
                binding=BindingName(o.binding), asset=AssetName(o.asset),
                event_time=Micros(c.event_time[i]), run=RunId(o.run), revision=c.revision[i],
                site=o.site, asset_type=o.asset_type, model=o.model,
                model_version=o.model_version, variant=o.variant, kind=PredictionKind(o.kind),
                value=c.value[i], probability=c.probability[i], decision=c.decision[i],
                threshold=o.threshold, quality=Quality(c.quality[i]),
                features_missing=c.features_missing[i], flags=PredictionFlag(c.flags[i]),
                received_at=Micros(c.received_at[i]), predicted_at=Micros(c.predicted_at[i]),
                pack_id=self.id, trace_id=c.trace[i],
                features=tuple(math.nan if f is None else f for f in c.features[i]),
            )  # fmt: skip


def predictions_of(message: PredictionsMessage) -> PredictionPack:
    """Open a pack; raise MalformedPayload where it cannot be read to its last prediction."""
    came = unpack_columns(message.data, _ColumnsToRead)
    try:
        origins = list(map(_read_origin, map(bytes, came.origins)))
    except msgspec.DecodeError as error:
        raise MalformedPayload(f"pack {message.id}: an origin cannot be read: {error}") from error
    columns = _with_times(
        PredictionColumns(**msgspec.structs.asdict(came) | {"origins": origins}), from_deltas
    )
    fault = _misfit(columns)
    if fault:
        raise MalformedPayload(f"pack {message.id}: its columns do not fit: {fault}")
    return PredictionPack(PackId(message.id), columns)


def _with_times(
    columns: PredictionColumns, change: Callable[[Iterable[int]], list[int]]
) -> PredictionColumns:
    return msgspec.structs.replace(
        columns,
        event_time=change(columns.event_time),
        received_at=change(columns.received_at),
        predicted_at=change(columns.predicted_at),
    )


def _misfit(c: PredictionColumns) -> str | None:
    lengths = {name: len(getattr(c, name)) for name in c.__struct_fields__ if name != "origins"}
    if len(set(lengths.values())) > 1:
        return f"their lengths are {lengths}"
    if c.origin and not 0 <= min(c.origin) <= max(c.origin) < len(c.origins):
        return f"there are only {len(c.origins)} origins"
    unknown = {o.kind for o in c.origins} - _KINDS or set(c.quality) - _QUALITIES
    unknown = unknown or {flags for flags in set(c.flags) if flags < 0}
    return f"unknown kinds, qualities or flags {sorted(unknown)}" if unknown else None


def _worst_case() -> PredictionsMessage:
    prediction = Prediction(
        binding=BindingName("b" * 64), asset=AssetName("a" * 64), event_time=Micros(2**53),
        run=RunId("replay:" + "r" * 26), revision=2**31, site="s" * 64, asset_type="t" * 64,
        model="m" * 64, model_version="v99999", variant="v99999", kind=PredictionKind.SCORE,
        value=1 / 3, probability=1 / 3, decision=True, threshold=1 / 3, quality=Quality.BAD,
        features_missing=999, flags=PredictionFlag(15), received_at=Micros(2**53),
        predicted_at=Micros(2**53), pack_id=PackId("p" * 26), trace_id="t" * 32,
        features=tuple(1 / (n + 3) for n in range(1_000)),
    )  # fmt: skip
    return predictions_message([prediction], pack_id="p" * 26, created_at=Micros(2**53))


CHANNEL = Channel(
    name="predictions",
    carrier=Topic(
        "predictions",
        subscribers=(
            Queue("aurora", visibility_seconds=60),
            Queue("snowflake", visibility_seconds=180),
            Queue("lake", visibility_seconds=180),
            Queue("latest", visibility_seconds=60),
        ),
    ),
    message=PredictionsMessage,
    version=VERSION,
    worst_case=_worst_case,
)
