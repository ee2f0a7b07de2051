"""What the contract does not ask of Aurora: partitions, dimensions, writers side by side."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from penstock.adapters.aurora import open_pool
from penstock.adapters.memory import FakeClock
from penstock.channels.predictions import PredictionPack, columns_of
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import PackId, RunId
from penstock.domain.predictions import Prediction, newest_by_identity
from penstock.domain.time import DAY, MINUTE
from results_writer.batch import Batch
from results_writer.sinks.aurora import AuroraSink

from tests.factories import NOON, make_prediction
from tests.fixtures.waiting import wait_until


@pytest.fixture
async def sink(aurora_dsn: str) -> AsyncIterator[AuroraSink]:
    async with open_pool(aurora_dsn) as pool:
        yield AuroraSink(pool, FakeClock(NOON))


def ask(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


def partitions(dsn: str) -> list[str]:
    names = ask(
        dsn,
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = 'predictions'::regclass ORDER BY 1",
    )
    return [str(name) for (name,) in names]


async def test_days_get_partitions_and_todays_writers_make_the_next_two(
    sink: AuroraSink, aurora_dsn: str
) -> None:
    await sink.write([make_prediction(event_time=NOON - 400 * DAY)])
    assert partitions(aurora_dsn) == ["predictions_20251016"]
    await sink.write([make_prediction()])
    assert partitions(aurora_dsn)[1:] == [
        "predictions_20261120", "predictions_20261121", "predictions_20261122",
    ]  # fmt: skip


async def test_a_partition_that_was_dropped_is_made_again(
    sink: AuroraSink, aurora_dsn: str
) -> None:
    await sink.write([make_prediction()])
    with psycopg.connect(aurora_dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE predictions_20261120")
    with pytest.raises(StoreUnavailable):
        await sink.write([make_prediction()])
    await sink.write([make_prediction()])
    assert await sink.read([make_prediction().identity])


async def test_a_data_base_that_was_replaced_gets_its_names_again(
    sink: AuroraSink, aurora_dsn: str
) -> None:
    await sink.write([make_prediction()])
    with psycopg.connect(aurora_dsn, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE predictions, dim_asset, dim_binding, dim_site, dim_asset_type, dim_variant,"
            " dim_model_version RESTART IDENTITY"
        )
        connection.execute("DROP TABLE predictions_20261120")
    with pytest.raises(StoreUnavailable):
        await sink.write([make_prediction()])
    await sink.write([make_prediction()])
    assert len(await sink.read([make_prediction().identity])) == 1


async def test_people_see_live_predictions_by_name(sink: AuroraSink, aurora_dsn: str) -> None:
    replay = make_prediction(run=RunId("replay:1"), probability=0.9)
    await sink.write([make_prediction(), replay])
    (row,) = ask(
        aurora_dsn,
        "SELECT binding, asset, site, asset_type, model, model_version, variant, probability,"
        " event_time, stored_at > predicted_at - interval '1 day' FROM v_predictions",
    )
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert row == (
        "pump-failure", "P-101", "SITE01", "pump", "pump-failure", "v1", "v1", 0.12, at, True,
    )  # fmt: skip
    assert ask(aurora_dsn, "SELECT id FROM dim_run ORDER BY id") == [(0,), (1,)]


async def test_an_asset_that_moved_keeps_its_key(sink: AuroraSink, aurora_dsn: str) -> None:
    await sink.write([make_prediction()])
    await sink.write([replace(make_prediction(event_time=NOON + MINUTE), site="SITE02")])
    assert ask(aurora_dsn, "SELECT DISTINCT site FROM v_predictions") == [("SITE02",)]
    assert ask(aurora_dsn, "SELECT count(*) FROM dim_asset") == [(1,)]


async def test_known_names_burn_no_keys(sink: AuroraSink, aurora_dsn: str) -> None:
    async with open_pool(aurora_dsn) as pool:
        for n in range(5):
            other = AuroraSink(pool, FakeClock(NOON))  # with a cache of its own, as after a restart
            await other.write([make_prediction(event_time=NOON + n)])
        await sink.write([make_prediction(binding="new", event_time=NOON + 9)])
    assert ask(aurora_dsn, "SELECT id FROM dim_binding ORDER BY id") == [(1,), (2,)]


async def test_many_new_names_in_one_batch_are_created(sink: AuroraSink) -> None:
    batch = [make_prediction(asset=f"A-{n}") for n in range(12_000)]
    await sink.write(batch)
    found = await sink.read([prediction.identity for prediction in batch[::100]])
    assert {prediction.asset for prediction in found} == {f"A-{n}" for n in range(0, 12_000, 100)}


async def test_writers_side_by_side_neither_wait_in_a_circle_nor_lose_the_newest(
    aurora_dsn: str,
) -> None:
    chance = random.Random(5)
    everything = [
        replace(
            make_prediction(asset=f"A-{asset}", event_time=NOON + n * MINUTE, revision=revision),
            pack_id=PackId(f"p{revision}"),
            probability=revision / 100,
        )
        for asset in range(10)
        for n in range(10)
        for revision in range(6)
    ]

    async def write_all(sink: AuroraSink) -> None:
        mine = chance.sample(everything, len(everything))
        for start in range(0, len(mine), 50):
            await sink.write(mine[start : start + 50])

    async with open_pool(aurora_dsn, 4) as pool:
        sinks = [AuroraSink(pool, FakeClock(NOON)) for _ in range(4)]
        await asyncio.gather(*(write_all(sink) for sink in sinks))
        wanted = newest_by_identity(everything)
        found = await sinks[0].read([prediction.identity for prediction in wanted])

    def precedences(predictions: list[Prediction]) -> set[tuple[object, ...]]:
        return {(*p.identity, *p.precedence, p.probability) for p in predictions}

    assert precedences(found) == precedences(wanted)
    assert ask(aurora_dsn, "SELECT count(*) FROM predictions") == [(len(wanted),)]


async def test_of_a_batch_that_is_partly_there_each_row_finds_its_place(
    sink: AuroraSink, aurora_dsn: str
) -> None:
    def of(asset: int, revision: int, pack: str) -> Prediction:
        made = make_prediction(asset=f"A-{asset}", event_time=NOON + asset, revision=revision)
        return replace(made, pack_id=PackId(pack), probability=revision / 10)

    first = [of(n, 2, "first") for n in range(6)]
    await sink.write(first)
    for pack in ("second", "third"):  # the first of them meets rows, the second looks for them
        older, newer = of(0, 1, pack), of(1, 3, pack)
        new = [of(n, 2, pack) for n in (6, 7, 8)]
        report = await sink.write([new[2], older, first[2], newer, new[0], newer, new[1]])
        assert set(report.superseded) == {1}
        assert not report.failed
    found = ask(aurora_dsn, "SELECT asset, revision, pack_id FROM v_predictions ORDER BY 1")
    assert found == [
        ("A-0", 2, "first"), ("A-1", 3, "third"), *((f"A-{n}", 2, "first") for n in (2, 3, 4, 5)),
        *((f"A-{n}", 2, "third") for n in (6, 7, 8)),
    ]  # fmt: skip


async def test_a_pack_of_nothing_holds_nothing_up(sink: AuroraSink) -> None:
    empty = PredictionPack(PackId("empty"), columns_of([]))
    full = PredictionPack(make_prediction().pack_id, columns_of([make_prediction()]))
    for batch in (Batch([empty]), Batch([empty, full]), Batch([full, empty])):  # also with a look
        report = await sink.write(batch)
        assert not report.failed
        assert not report.superseded
    assert await sink.read([make_prediction().identity]) == [
        replace(make_prediction(), features=())
    ]


async def test_a_circle_of_writers_is_no_trouble_of_aurora(
    sink: AuroraSink, aurora_dsn: str
) -> None:
    await sink.write([make_prediction()])
    both = [make_prediction(event_time=NOON + n, revision=2) for n in (1, 2)]
    columns = "binding_id, asset_id, run_id, received_at, predicted_at, revision, features_missing"
    columns += ", model_version_id, flags, variant_id, kind, quality, pack_id"
    insert = f"""
        INSERT INTO predictions (event_time, {columns})
        SELECT event_time + %s * interval '1 microsecond', {columns} FROM predictions LIMIT 1
    """  # noqa: S608  # our own words
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    with psycopg.connect(aurora_dsn) as other:
        other.execute(insert.encode(), [2])
        writing = asyncio.create_task(sink.write(both))
        await asyncio.to_thread(wait_until, lambda: bool(ask(aurora_dsn, waiting)), "one waits")
        await asyncio.to_thread(other.execute, insert.encode(), [1])
        other.commit()
    assert not (await writing).superseded
    assert ask(aurora_dsn, "SELECT revision FROM predictions ORDER BY event_time") == [
        (1,), (2,), (2,),
    ]  # fmt: skip
