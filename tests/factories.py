"""Plausible test data: keyword-only, all defaulted."""

from penstock.domain.ids import LIVE, AssetName, BindingName, GatewayId, PackId, RunId, TagPath
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality, RawQuality, Reading, ReadingFlag, Value
from penstock.domain.time import Micros, parse_iso

NOON = parse_iso("2026-11-20T12:00:00Z")


def make_reading(
    *,
    gateway_id: str = "gw-7",
    tag: str = "/SITE01/P-101/TEMP",
    at: int = NOON,
    value: Value = 71.2,
    quality: Quality = Quality.GOOD,
    accepted_at: int | None = None,
    raw_quality: RawQuality = None,
    flags: ReadingFlag = ReadingFlag.NONE,
) -> Reading:
    return Reading(
        GatewayId(gateway_id),
        TagPath(tag),
        Micros(at),
        value,
        quality,
        Micros(accepted_at if accepted_at is not None else at + 50_000),
        raw_quality,
        flags,
    )


def make_prediction(
    *,
    binding: str = "pump-failure",
    asset: str = "P-101",
    event_time: int = NOON,
    run: RunId = LIVE,
    revision: int = 1,
    probability: float | None = 0.12,
    predicted_at: int | None = None,
    pack_id: str = "01kafzcf00pack00000000000a",
    features: tuple[float, ...] = (71.2, 0.4),
) -> Prediction:
    return Prediction(
        binding=BindingName(binding),
        asset=AssetName(asset),
        event_time=Micros(event_time),
        run=run,
        revision=revision,
        site="SITE01",
        asset_type="pump",
        model="pump-failure",
        model_version="v1",
        variant="v1",
        kind=PredictionKind.CLASSIFICATION,
        value=probability,
        probability=probability,
        decision=None if probability is None else probability >= 0.7,
        threshold=0.7,
        quality=Quality.GOOD,
        features_missing=0,
        flags=PredictionFlag.NONE,
        received_at=Micros(event_time + 50_000),
        predicted_at=Micros(predicted_at if predicted_at is not None else event_time + 90_000),
        pack_id=PackId(pack_id),
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        features=features,
    )
