import io
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from penstock.adapters.lake import READ_VIEW, SCHEMA, LakeView, LakeWriter
from penstock.adapters.memory import MemoryObjectStore
from penstock.domain.ids import PackId, RunId
from penstock.domain.predictions import Prediction
from penstock.domain.time import DAY, HOUR, MINUTE, Micros

from tests.factories import NOON, make_prediction


def make_revisions() -> list[Prediction]:
    return [
        replace(
            make_prediction(asset=f"P-{asset}", event_time=NOON + n * 20 * MINUTE, revision=r),
            pack_id=PackId(f"p{r}"), probability=r / 10, features=(float(r), -1.5),
        )
        for asset in range(3) for n in range(6) for r in (2, 1, 3)
    ]  # fmt: skip


async def test_every_revision_stays_and_the_view_shows_the_newest_with_its_features() -> None:
    store = MemoryObjectStore()
    everything = make_revisions()
    await LakeWriter(store).write([p for p in everything if p.revision != 3])
    await LakeWriter(store).write([p for p in everything if p.revision != 1])
    view = LakeView(store)
    since, until = NOON, Micros(NOON + 2 * HOUR)
    shown = await view.read(since, until)
    assert sorted(shown, key=str) == sorted((p for p in everything if p.revision == 3), key=str)
    stored = [p async for hour in view.revisions(since, until) for p in hour]
    assert set(stored) == set(everything)
    shown_at_two = [p for p in stored if p.revision <= 2 and p.asset == "P-1"]
    assert {p.features for p in shown_at_two} == {(1.0, -1.5), (2.0, -1.5)}


async def test_a_range_and_names_narrow_the_view() -> None:
    store = MemoryObjectStore()
    wanted = make_prediction(asset="P-2", event_time=NOON + 5)
    others = [
        make_prediction(asset="P-2", event_time=NOON + HOUR),
        make_prediction(asset="P-2", event_time=NOON - DAY),
        make_prediction(asset="P-3"),
        make_prediction(asset="P-2", run=RunId("replay:1")),
        make_prediction(asset="P-2", binding="other"),
    ]
    await LakeWriter(store).write([wanted, *others])
    found = await LakeView(store).read(
        NOON, Micros(NOON + HOUR), bindings=["pump-failure"], assets=["P-2"], runs=["live"]
    )
    assert found == [wanted]


async def test_the_same_packs_overwrite_the_same_objects() -> None:
    store = MemoryObjectStore()
    for _ in range(2):
        await LakeWriter(store).write(make_revisions())
    assert sorted(key.rpartition("/")[0] for key in store.objects) == [
        "predictions/dt=2026-11-20/hour=12", "predictions/dt=2026-11-20/hour=13",
    ]  # fmt: skip


async def test_rows_are_sorted_with_statistics_and_compressed() -> None:
    store = MemoryObjectStore()
    await LakeWriter(store).write(make_revisions()[::-1])
    for body in store.objects.values():
        table = pq.read_table(pa.BufferReader(body))
        assert table.schema.equals(SCHEMA)
        order = ("binding", "asset", "event_time", "revision")
        keys = [tuple(row[name] for name in order) for row in table.to_pylist()]
        assert keys == sorted(keys)
        group = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0)
        column = group.column(SCHEMA.get_field_index("event_time"))
        assert column.is_stats_set
        assert column.compression == "ZSTD"


async def test_the_view_in_sql_shows_the_same() -> None:
    store = MemoryObjectStore()
    everything = make_revisions()
    await LakeWriter(store).write(everything)
    await LakeWriter(store).write([p for p in everything if p.revision == 1])
    rows: Any = pa.concat_tables(
        pq.read_table(pa.BufferReader(body)) for body in store.objects.values()
    )
    with duckdb.connect() as connection:
        connection.register("raw", rows)
        found = connection.sql(READ_VIEW.format(source="raw")).fetchall()
    ids = sorted(str(row[0]) for row in found)
    shown = await LakeView(store).read(NOON, Micros(NOON + 2 * HOUR))
    assert ids == sorted(prediction.id for prediction in shown)
