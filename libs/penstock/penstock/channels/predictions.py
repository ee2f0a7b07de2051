"""Topic `predictions`: packs of predictions of any bindings, assets and model versions."""

import math
from collections.abc import Iterator, Sequence

import msgspec

from penstock.channel import Channel, Envelope, Queue, Topic
from penstock.domain.ids import AssetName, BindingName, PackId, RunId
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import Micros
from penstock.packing import Packed, deltas, from_deltas, pack_columns, unpack_columns

VERSION = 1
PREDICTIONS = "predictions"


class Origin(msgspec.Struct, frozen=True, array_like=True):
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


class PredictionsMessage(Envelope, frozen=True, kw_only=True):
    """A pack of predictions, or a canary."""

    data: Packed = Packed()


def _origin(p: Prediction) -> Origin:
    return Origin(
        p.binding, p.asset, p.site, p.asset_type, p.model, p.model_version, p.variant, p.run,
        int(p.kind), p.threshold,
    )  # fmt: skip


def predictions_message(
    predictions: Sequence[Prediction], *, pack_id: str, created_at: Micros, trace: str = ""
) -> PredictionsMessage:
    """Make a pack."""
    origins: dict[Origin, int] = {}
    columns = PredictionColumns(
        origin=[origins.setdefault(_origin(p), len(origins)) for p in predictions],
        origins=list(origins),
        event_time=deltas(p.event_time for p in predictions),
        revision=[p.revision for p in predictions],
        value=[p.value for p in predictions],
        probability=[p.probability for p in predictions],
        decision=[p.decision for p in predictions],
        quality=[int(p.quality) for p in predictions],
        features_missing=[p.features_missing for p in predictions],
        flags=[int(p.flags) for p in predictions],
        received_at=deltas(p.received_at for p in predictions),
        predicted_at=deltas(p.predicted_at for p in predictions),
        trace=[p.trace_id for p in predictions],
        features=[list(p.features) for p in predictions],
    )
    return PredictionsMessage(
        version=VERSION, id=pack_id, created_at=created_at, trace=trace, kind=PREDICTIONS,
        data=pack_columns(columns),
    )  # fmt: skip


def predictions_of(message: PredictionsMessage) -> Iterator[Prediction]:
    """Walk the predictions of a pack; raise MalformedPayload."""
    c = unpack_columns(message.data, PredictionColumns)
    event_times = from_deltas(c.event_time)
    received = from_deltas(c.received_at)
    predicted = from_deltas(c.predicted_at)
    for i, origin_position in enumerate(c.origin):
        o = c.origins[origin_position]
        yield Prediction(
            binding=BindingName(o.binding), asset=AssetName(o.asset),
            event_time=Micros(event_times[i]), run=RunId(o.run), revision=c.revision[i],
            site=o.site, asset_type=o.asset_type, model=o.model, model_version=o.model_version,
            variant=o.variant, kind=PredictionKind(o.kind), value=c.value[i],
            probability=c.probability[i], decision=c.decision[i], threshold=o.threshold,
            quality=Quality(c.quality[i]), features_missing=c.features_missing[i],
            flags=PredictionFlag(c.flags[i]), received_at=Micros(received[i]),
            predicted_at=Micros(predicted[i]), pack_id=PackId(message.id), trace_id=c.trace[i],
            features=tuple(math.nan if f is None else f for f in c.features[i]),
        )  # fmt: skip


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
