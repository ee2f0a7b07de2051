"""Finished frames, ready for a model, and the predictions that answers make of them."""

import math

from penstock.channels.deferred import FrameRow
from penstock.domain.assets import Asset
from penstock.domain.frames import Frame
from penstock.domain.ids import (
    LIVE,
    AssetName,
    BindingName,
    PackId,
    PredictionId,
    RunId,
    prediction_id,
)
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import Micros
from penstock.model_type import Answer
from penstock.runtime.traceparent import trace_id_of

from inference_worker.arrivals import Cause
from inference_worker.bound import BoundBinding

NOT_PACKED_YET = PackId("")


def frame_row(
    binding: BoundBinding,
    asset: Asset,
    frame: Frame,
    cause: Cause,
    *,
    revision: int,
    run: RunId = LIVE,
) -> FrameRow:
    """Make a finished frame, ready to be asked about by anyone at any time."""
    target = binding.target
    if target is None:
        raise ValueError(f"binding {binding.name} has no model to ask")
    return FrameRow(
        binding=binding.name,
        asset=asset.name,
        site=asset.site,
        asset_type=asset.asset_type,
        model=target.model,
        model_version=target.version,
        endpoint=target.endpoint,
        event_time=frame.event_time,
        run=run,
        revision=revision,
        features=list(frame.values),
        features_missing=frame.missing,
        quality=int(frame.quality),
        flags=cause.flags,
        received_at=cause.received_at,
        trace=cause.trace,
        threshold=binding.threshold,
        variant=target.variant,
    )


def features_of(row: FrameRow) -> list[float]:
    """The features as numbers; a missing one that travelled as null is NaN again."""
    return [math.nan if feature is None else feature for feature in row.features]


def prediction_id_of(row: FrameRow) -> PredictionId:
    """Identity of the prediction that the row will be."""
    return prediction_id(
        BindingName(row.binding), AssetName(row.asset), row.event_time, RunId(row.run)
    )


def prediction_of(
    row: FrameRow,
    answer: Answer,
    *,
    kind: PredictionKind,
    variant: str,
    is_known_version: bool,
    predicted_at: Micros,
) -> Prediction:
    """Join a frame and its answer; its pack is named when it is packed.

    Variants are named after versions, so the one that answered says which version it was.
    """
    score = answer.value if answer.probability is None else answer.probability
    is_decided = row.threshold is not None and score is not None
    return Prediction(
        binding=BindingName(row.binding),
        asset=AssetName(row.asset),
        event_time=row.event_time,
        run=RunId(row.run),
        revision=row.revision,
        site=row.site,
        asset_type=row.asset_type,
        model=row.model,
        model_version=variant if is_known_version else row.model_version,
        variant=variant,
        kind=kind,
        value=answer.value,
        probability=answer.probability,
        decision=(score or 0.0) >= (row.threshold or 0.0) if is_decided else None,
        threshold=row.threshold,
        quality=Quality(row.quality),
        features_missing=row.features_missing,
        flags=PredictionFlag(row.flags),
        received_at=row.received_at,
        predicted_at=predicted_at,
        pack_id=NOT_PACKED_YET,
        trace_id=trace_id_of(row.trace),
        features=tuple(features_of(row)),
    )
