"""The real process over real places: once in every read view, through kill -9 and repeats."""

import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from penstock.adapters.archive import ReadingsArchive
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.channels import predictions as predictions_channel
from penstock.channels import readings as readings_channel
from penstock.channels.predictions import predictions_message
from penstock.channels.readings import readings_message, to_columns
from penstock.domain.ids import PackId, TagPath
from penstock.domain.predictions import Prediction, newest_by_identity
from penstock.domain.time import HOUR, MINUTE, SECOND, Micros
from penstock.ledger import Ledger
from penstock.resources import ARCHIVE, DISCOVERED_TAGS, physical_name
from penstock.runtime.clock import SystemClock

from tests.factories import NOON, make_prediction, make_reading
from tests.fixtures.processes import ENDED_IN_ORDER, CommandProcess
from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.integration.results_writer.places import (
    REGION,
    open_resources,
    open_sink,
    snowflake_settings,
)
from tests.integration.results_writer.processes import SINKS, Queues, writer_of

PACKS = 60
ROWS = 20


@pytest.fixture
def writer(
    name_prefix: str,
    tmp_path: Path,
    aurora_dsn: str,
    snowflake_schema: dict[str, str | int],
) -> Iterator[CommandProcess]:
    with writer_of(name_prefix, tmp_path, aurora_dsn, snowflake_schema) as process:
        yield process


def make_packs(seed: int) -> list[list[Prediction]]:
    """Packs of many assets and minutes; a third of the predictions come again, corrected."""
    chance = random.Random(seed)
    packs: list[list[Prediction]] = []
    for number in range(PACKS):
        pack = [
            make_prediction(
                asset=f"P-{row}", event_time=NOON + number * MINUTE, pack_id=f"pack-{number:04}",
                probability=chance.random(),
            )
            for row in range(ROWS)
        ]  # fmt: skip
        if packs:
            earlier = chance.choice(packs)
            pack += [
                make_prediction(
                    asset=p.asset, event_time=p.event_time, pack_id=f"pack-{number:04}",
                    revision=p.revision + chance.randint(0, 2), probability=chance.random(),
                    predicted_at=p.predicted_at + SECOND,
                )
                for p in chance.sample(earlier, 7)
            ]  # fmt: skip
        packs.append(pack)
    return packs


def to_bodies(packs: list[list[Prediction]]) -> list[str]:
    return [
        predictions_channel.CHANNEL.encode(
            predictions_message(pack, pack_id=pack[0].pack_id, created_at=NOON)
        )
        for pack in packs
    ]


def comparable(prediction: Prediction) -> tuple[object, ...]:
    return (*prediction.identity, *prediction.precedence, prediction.probability)


async def expect_once_everywhere(
    packs: list[list[Prediction]],
    *,
    prefix: str,
    dsn: str,
    snowflake: dict[str, str | int],
) -> None:
    newest = newest_by_identity([prediction for pack in packs for prediction in pack])
    wanted = sorted(map(comparable, newest))
    identities = [prediction.identity for prediction in newest]
    last = {p.asset: p for p in sorted(newest, key=lambda p: p.event_time)}
    async with open_resources(prefix=prefix, aurora_dsn=dsn) as place:
        for name in SINKS:
            async with open_sink(name, place, snowflake_settings(snowflake)) as sink:
                found = sorted(map(comparable, await sink.read(identities)))
            assert found == (wanted if name != "latest" else sorted(map(comparable, last.values())))
        ledger = Ledger(place.tables, SystemClock())
        for pack in packs:
            counts = await ledger.counts(PackId(pack[0].pack_id))
            assert {hop: sum(parts.values()) for hop, parts in counts.items()} == dict.fromkeys(
                SINKS, len(pack)
            )
    with psycopg.connect(dsn) as connection:
        (count,) = connection.execute("SELECT count(*) FROM predictions").fetchone() or (None,)
        assert count == len(newest)


@pytest.mark.slow
async def test_every_prediction_is_in_every_read_view_once_through_kills_and_repeats(
    writer: CommandProcess, aurora_dsn: str, snowflake_schema: dict[str, str | int]
) -> None:
    queues = Queues(writer.prefix)
    queues.shorten_visibility(SINKS)
    packs = make_packs(7)
    bodies = to_bodies(packs)
    shuffled = random.Random(8).sample(bodies + random.Random(9).sample(bodies, 15), PACKS + 15)
    writer.start()
    for start, slowest in zip(
        range(0, len(shuffled), 25), ("aurora", "latest", "lake"), strict=True
    ):
        queues.publish("predictions", shuffled[start : start + 25])
        await queues.begun(slowest, from_=queues.waiting(slowest))
        writer.kill()  # wherever the sinks are: before, within or after a write
        writer.start()
    await queues.drained(SINKS)
    assert writer.end() in ENDED_IN_ORDER
    assert not any(queues.waiting(f"{name}-dlq") for name in SINKS)
    await expect_once_everywhere(
        packs, prefix=writer.prefix, dsn=aurora_dsn, snowflake=snowflake_schema
    )


async def test_a_stop_in_mid_flight_leaves_nothing_in_flight(
    writer: CommandProcess, aurora_dsn: str, snowflake_schema: dict[str, str | int]
) -> None:
    queues = Queues(writer.prefix)
    packs = make_packs(11)[:40]
    queues.publish("predictions", to_bodies(packs))
    writer.start()
    await queues.begun("lake", from_=queues.waiting("lake"))
    assert writer.end() in ENDED_IN_ORDER
    # Had it left messages in flight, they would be away for a minute or three.
    await queues.given_back(SINKS)
    writer.start()
    await queues.drained(SINKS)
    await writer.ready("/healthz")
    writer.end()
    await expect_once_everywhere(
        packs, prefix=writer.prefix, dsn=aurora_dsn, snowflake=snowflake_schema
    )


async def test_readings_are_archived_and_their_unknown_tags_listed(
    writer: CommandProcess, aurora_dsn: str
) -> None:
    with psycopg.connect(aurora_dsn) as connection:
        connection.execute("INSERT INTO sites VALUES ('S'); INSERT INTO asset_types VALUES ('t')")
        connection.execute("INSERT INTO assets VALUES ('P-1', 'S', 't', '{/S/P-1}')")
    queues = Queues(writer.prefix)
    queues.shorten_visibility(("archive",))
    messages = [
        readings_message(
            to_columns([
                make_reading(tag=f"/S/P-{asset}/T", at=NOON + n * SECOND, value=n)
                for asset in (1, 2)
            ]),
            pack_id=f"r-{n}",
            created_at=NOON,
        )
        for n in range(60)
    ]  # fmt: skip
    bodies = [readings_channel.CHANNEL.encode(message) for message in messages]
    writer.start()
    await writer.ready("/healthz")
    queues.publish("readings", bodies[:40])
    writer.kill()
    writer.start()
    queues.publish("readings", bodies[20:])
    await queues.drained(("archive",))
    await writer.ready("/healthz")
    async with aws_clients(REGION) as clients:
        bucket = physical_name(writer.prefix, ARCHIVE.name)
        archive = ReadingsArchive(S3ObjectStore(await clients.s3(), bucket))
        found = await archive.read(NOON, Micros(NOON + HOUR), prefixes=[TagPath("/S/P-1")])
        assert [reading.value for reading in found] == list(range(60))
        tables = DynamoStore(await clients.dynamodb(), writer.prefix)
        ledger = Ledger(tables, SystemClock())
        assert all([await ledger.has(PackId(f"r-{n}"), "archive") for n in range(60)])
        writer.end()
        listed = [item async for item in tables.scan(DISCOVERED_TAGS.name)]
    assert [item["tag"] for item in listed] == ["/S/P-2/T"]


async def test_while_aurora_is_gone_its_messages_wait_and_the_others_go_on(
    name_prefix: str, tmp_path: Path, snowflake_schema: dict[str, str | int]
) -> None:
    nobody = "postgresql://nobody@127.0.0.1:1/none"
    queues = Queues(name_prefix)
    with writer_of(name_prefix, tmp_path, nobody, snowflake_schema) as writer:
        queues.publish("predictions", to_bodies(make_packs(13)[:10]))
        writer.start()
        await queues.drained(("snowflake", "lake", "latest"))
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{writer.url}/readyz", timeout=PATIENCE_SECONDS)
            assert answer.status_code == 503
            assert set(answer.json()["failed"]) == {"aurora"}
            assert writer.status_of("/healthz") == 200
        assert queues.waiting("aurora") == 10
        writer.end()


def test_a_setting_that_cannot_work_ends_the_process_with_an_error(
    name_prefix: str, tmp_path: Path, snowflake_schema: dict[str, str | int]
) -> None:
    wrong = {"RESULTS_WRITER_SINKS": "aurora,nowhere"}
    with writer_of(name_prefix, tmp_path, "", snowflake_schema, **wrong) as writer:
        writer.start()
        assert writer.process.wait(PATIENCE_SECONDS) not in (0, None)
        assert "nowhere" in writer.output
