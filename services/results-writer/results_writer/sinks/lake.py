"""The lake on S3: Parquet for Athena, notebooks and audits; every revision stays."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from penstock.adapters.lake import LakeView, LakeWriter
from penstock.domain.errors import UnknownObject
from penstock.domain.predictions import Prediction
from penstock.domain.time import HOUR, Micros, floor_to
from penstock.ports import ObjectStore, WriteReport

from results_writer.settings import Settings
from results_writer.sink import BatchLimits, SinkPlugin, SinkResources
from results_writer.triage import Identity, triage

_PROBE = "probes/results-writer"
"""A key that never exists: asking for it proves the bucket without leaving anything there."""


class LakeSink:
    """Appends every prediction that can be written."""

    def __init__(self, store: ObjectStore) -> None:
        """Keep the bucket."""
        self._store = store
        self._writer = LakeWriter(store)
        self._view = LakeView(store)

    async def write(self, predictions: Sequence[Prediction]) -> WriteReport:
        """Write objects named by the packs; the read view tells what is superseded."""
        sorted_out = triage(predictions)
        await self._writer.write(
            [p for position, p in enumerate(predictions) if position not in sorted_out.failed]
        )
        return WriteReport(failed=sorted_out.failed)

    async def ping(self) -> None:
        """Prove that the bucket answers."""
        try:
            await self._store.get(_PROBE)
        except UnknownObject:
            return

    async def read(self, identities: Sequence[Identity]) -> list[Prediction]:
        """Answer from the read view."""
        wanted = set(identities)
        assets = {asset for _, asset, _, _ in wanted}
        hours = sorted({floor_to(Micros(at), HOUR) for _, _, at, _ in wanted})
        return [
            prediction
            for hour in hours
            for prediction in await self._view.read(hour, Micros(hour + HOUR), assets=assets)
            if prediction.identity in wanted
        ]


@asynccontextmanager
async def _open(_settings: Settings, resources: SinkResources) -> AsyncIterator[LakeSink]:
    yield LakeSink(resources.lake)


SINK = SinkPlugin(
    "lake",
    _open,
    BatchLimits(max_bytes=4 * 1024 * 1024, max_age_seconds=30, max_packs=256),
    appends=True,
)
