"""The newest live prediction of each asset and binding in DynamoDB: what a dashboard asks for."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from penstock.domain.errors import VersionConflict
from penstock.domain.ids import LIVE, AssetName, BindingName, PackId, RunId
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import Micros
from penstock.gathering import gather_all
from penstock.ports import KeyValueStore, Write, WriteReport
from penstock.resources import LATEST

from results_writer.settings import Settings
from results_writer.sink import SinkPlugin, SinkResources
from results_writer.triage import Identity, triage

_AT_ONCE = 32
_PROBE = {"asset": "-", "binding": "-"}
_SMALLEST, _LARGEST = 1e-129, 1e125
"""Magnitudes that DynamoDB's numbers hold; a smaller one is as good as zero."""
_FIELDS = (
    "run", "revision", "event_time", "site", "asset_type", "model", "model_version", "variant",
    "decision", "features_missing", "received_at", "predicted_at", "pack_id", "trace_id",
)  # fmt: skip
_Place = tuple[str, str]
_NUMBERS = ("value", "probability", "threshold")


class LatestSink:
    """One item per asset and binding; only a newer prediction replaces it.

    Replays and shadows never show here: their predictions count as superseded.
    """

    def __init__(self, store: KeyValueStore) -> None:
        """Keep the table's store."""
        self._store = store

    async def write(self, predictions: Sequence[Prediction]) -> WriteReport:
        """Keep of each asset and binding the greatest event time and precedence."""
        failed = dict(triage(predictions).failed)
        failed |= {n: why for n, p in enumerate(predictions) if (why := _too_large(p))}
        live = {n: p for n, p in enumerate(predictions) if n not in failed and p.run == LIVE}
        newest: dict[_Place, Prediction] = {}
        for prediction in live.values():
            place = _place_of(prediction)
            newest[place] = max(newest.get(place, prediction), prediction, key=order_of)
        kept = await self._place_all(newest)
        superseded = {
            n
            for n, p in enumerate(predictions)
            if n not in failed and (p.run != LIVE or kept.get(_place_of(p)) != order_of(p))
        }
        return WriteReport(superseded, failed)

    async def _place_all(self, newest: Mapping[_Place, Prediction]) -> dict[_Place, str]:
        places = [self._place(prediction) for prediction in newest.values()]
        taken = await gather_all(places, at_once=_AT_ONCE)
        return {
            place: order_of(prediction)
            for (place, prediction), is_newest in zip(newest.items(), taken, strict=True)
            if is_newest
        }

    async def _place(self, prediction: Prediction) -> bool:
        key = {"asset": prediction.asset, "binding": prediction.binding}
        order = order_of(prediction)
        put = to_item(prediction) | {"order": order}
        try:
            await self._store.write(
                Write(LATEST.name, key, put=put, require_at_most={"order": order})
            )
        except VersionConflict:
            return False
        return True

    async def ping(self) -> None:
        """Prove that the table answers."""
        await self._store.get(LATEST.name, _PROBE)

    async def read(self, identities: Sequence[Identity]) -> list[Prediction]:
        """Answer the identities that are the newest of their asset and binding."""
        found = []
        for identity in identities:
            binding, asset, _, _ = identity
            item = await self._store.get(LATEST.name, {"asset": asset, "binding": binding})
            if item is not None and (prediction := from_item(item)).identity == identity:
                found.append(prediction)
        return found


def _place_of(p: Prediction) -> _Place:
    return (p.asset, p.binding)


def order_of(p: Prediction) -> str:
    """Text that compares as (event time, revision, predicted at, pack id) do, within an item."""
    return f"{p.event_time:017d}.{p.revision:019d}.{p.predicted_at:017d}.{p.pack_id}"


def to_item(p: Prediction) -> dict[str, object]:
    """Make the attributes beside the key."""
    plain = {name: getattr(p, name) for name in _FIELDS}
    numbers = {name: _rounded(getattr(p, name)) for name in _NUMBERS}
    classes = {"kind": int(p.kind), "quality": int(p.quality), "flags": int(p.flags)}
    return {**plain, **numbers, **classes, "prediction_id": p.id}


def from_item(item: Mapping[str, Any]) -> Prediction:
    """Read an item back; the features stand in the lake alone."""
    return Prediction(
        binding=BindingName(item["binding"]), asset=AssetName(item["asset"]),
        event_time=Micros(item["event_time"]), run=RunId(item["run"]), revision=item["revision"],
        site=item["site"], asset_type=item["asset_type"], model=item["model"],
        model_version=item["model_version"], variant=item["variant"],
        kind=PredictionKind(item["kind"]), value=_float(item.get("value")),
        probability=_float(item.get("probability")), decision=item.get("decision"),
        threshold=_float(item.get("threshold")), quality=Quality(item["quality"]),
        features_missing=item["features_missing"], flags=PredictionFlag(item["flags"]),
        received_at=Micros(item["received_at"]), predicted_at=Micros(item["predicted_at"]),
        pack_id=PackId(item["pack_id"]), trace_id=item["trace_id"],
    )  # fmt: skip


def _too_large(p: Prediction) -> str | None:
    numbers = (p.value, p.probability, p.threshold)
    if any(number is not None and abs(number) >= _LARGEST for number in numbers):
        return f"value, probability or threshold is {_LARGEST:g} or larger"
    return None


def _rounded(number: float | None) -> float | None:
    return 0.0 if number is not None and abs(number) < _SMALLEST else number


def _float(number: Any) -> float | None:
    return None if number is None else float(number)


@asynccontextmanager
async def _open(_settings: Settings, resources: SinkResources) -> AsyncIterator[LatestSink]:
    yield LatestSink(resources.tables)


SINK = SinkPlugin("latest", _open, newest_only=True)
