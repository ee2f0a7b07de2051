"""A prediction: the answer of one variant for one frame."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from penstock.domain.ids import AssetName, BindingName, PackId, PredictionId, RunId, prediction_id
from penstock.domain.readings import Quality
from penstock.domain.time import Micros


class PredictionKind(IntEnum):
    """What the columns of a prediction mean."""

    CLASSIFICATION = 1
    SCORE = 2
    FORECAST = 3
    OBJECT = 4


class PredictionFlag(IntFlag):
    """What a reader should know before trusting a prediction."""

    NONE = 0
    LATE = 1
    ASSUMED_TIME = 2
    ASSUMED_QUALITY = 4
    MAINTENANCE = 8


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer; (binding, asset, event_time, run) is its identity.

    Of several with one identity the greatest `precedence` counts, wherever they are stored.
    `value` is the model's number (class, score or mean), `probability` that of the positive class.
    """

    binding: BindingName
    asset: AssetName
    event_time: Micros
    run: RunId
    revision: int
    site: str
    asset_type: str
    model: str
    model_version: str
    variant: str
    kind: PredictionKind
    value: float | None
    probability: float | None
    decision: bool | None
    threshold: float | None
    quality: Quality
    features_missing: int
    flags: PredictionFlag
    received_at: Micros
    predicted_at: Micros
    pack_id: PackId
    trace_id: str
    features: tuple[float, ...] = ()

    @property
    def id(self) -> PredictionId:
        """The same for every repeat and revision."""
        return prediction_id(self.binding, self.asset, self.event_time, self.run)

    @property
    def identity(self) -> tuple[str, str, int, str]:
        """The four parts of the identity as a plain key."""
        return (self.binding, self.asset, self.event_time, self.run)

    @property
    def precedence(self) -> tuple[int, int, str]:
        """Order among answers of one identity: revision, then created-at, then pack id."""
        return (self.revision, self.predicted_at, self.pack_id)


def newest_by_identity(predictions: list[Prediction]) -> list[Prediction]:
    """Keep the greatest precedence of each identity, in first-seen order."""
    newest: dict[tuple[str, str, int, str], Prediction] = {}
    for prediction in predictions:
        held = newest.get(prediction.identity)
        if held is None or prediction.precedence > held.precedence:
            newest[prediction.identity] = prediction
    return list(newest.values())
