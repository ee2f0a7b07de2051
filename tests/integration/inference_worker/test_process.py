"""The real process over real places: every frame from all readings, through kill -9 and repeats."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from penstock.adapters.archive import ReadingsArchive, open_pack
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.channels.readings import CHANNEL as READINGS
from penstock.channels.readings import ReadingsMessage, readings_message, to_columns
from penstock.domain.frames import (
    Aggregate,
    Feature,
    Frame,
    FrameDefinition,
    FrameMode,
    compute_frame,
)
from penstock.domain.ids import PackId
from penstock.domain.predictions import Prediction, newest_by_identity
from penstock.domain.readings import Reading
from penstock.domain.samples import Sample, TagSamples
from penstock.domain.time import SECOND, Micros
from penstock.ledger import ARCHIVE_HOP, INFERENCE_HOP, Ledger
from penstock.registry import ModelRegistry, ModelVersion
from penstock.resources import ARCHIVE, physical_name
from penstock.runtime.clock import SystemClock, new_id
from penstock.runtime.traceparent import new_traceparent
from penstock_local.environment import REGION

from tests.factories import NOON, make_reading
from tests.fixtures.processes import ENDED_IN_ORDER, CommandProcess
from tests.fixtures.waiting import wait_until
from tests.integration.inference_worker.plant import Endpoint, binding_body, write_context
from tests.integration.inference_worker.processes import take_predictions, worker_of
from tests.integration.results_writer.processes import Queues

ASSETS = [f"P-{number}" for number in range(6)]
SCANS = 30
ENDED = (0, -15)
"""Exit codes of an orderly end: uvicorn raises the signal again once all is closed."""
QUEUES = ("inference", "deferred", "corrections")
FRAME = """{"mode": "row", "features": [
    {"name": "temp", "tag": "TEMP"},
    {"name": "shake", "tag": "VIBRATION", "agg": "mean", "over": "5s"}]}"""
DEFINITION = FrameDefinition(
    mode=FrameMode.ROW,
    features=(
        Feature("temp", "TEMP"),
        Feature("shake", "VIBRATION", Aggregate.MEAN, Micros(5 * SECOND)),
    ),
)


@pytest.fixture
def worker(
    name_prefix: str, tmp_path: Path, aurora_dsn: str, runtime_environment: None
) -> Iterator[CommandProcess]:
    write_context(aurora_dsn, assets=ASSETS, bindings={"b": binding_body("pump-failure")})
    with worker_of(name_prefix, tmp_path, aurora_dsn) as process:
        yield process


def scan(asset: str, second: int, chance: random.Random) -> list[Reading]:
    at = NOON + second * SECOND
    return [
        make_reading(tag=f"/SITE01/{asset}/{tag}", at=at, value=round(chance.uniform(0, 100), 2))
        for tag in ("TEMP", "VIBRATION")
    ]


def make_packs(chance: random.Random) -> list[list[Reading]]:
    """A pack per second with the scans of all pumps; some values are sent again, changed."""
    packs = [
        [reading for asset in ASSETS for reading in scan(asset, second, chance)]
        for second in range(SCANS)
    ]
    for second, pack in enumerate(packs):
        if second % 10 == 9:
            earlier = chance.choice(packs[:second])
            pack += [
                make_reading(
                    tag=r.tag, at=r.at, value=round(chance.uniform(0, 100), 2),
                    accepted_at=NOON + (second + 1) * SECOND,
                )
                for r in chance.sample(earlier, 3)
            ]  # fmt: skip
    return packs


def to_messages(packs: Sequence[Sequence[Reading]]) -> list[ReadingsMessage]:
    clock = SystemClock()
    return [
        readings_message(
            to_columns(pack), pack_id=new_id(clock), created_at=clock.now(),
            trace=new_traceparent(),
        )
        for pack in packs
    ]  # fmt: skip


def truth(packs: Sequence[Sequence[Reading]]) -> dict[tuple[str, int], tuple[float, ...]]:
    """Features by asset and event time, from all readings as if they had come at once."""
    samples: dict[str, dict[str, list[Sample]]] = {asset: {} for asset in ASSETS}
    for pack in packs:
        for reading in pack:
            _, _, asset, tag = reading.tag.split("/")
            sample = Sample(reading.at, reading.accepted_at, reading.value, reading.quality)
            samples[asset].setdefault(tag, []).append(sample)
    told: dict[tuple[str, int], tuple[float, ...]] = {}
    for asset, by_tag in samples.items():
        known = {tag: TagSamples().merged(of_tag) for tag, of_tag in by_tag.items()}
        for sample in known["TEMP"].samples:
            frame = compute_frame(DEFINITION, known, sample.at)
            assert isinstance(frame, Frame)
            told[asset, sample.at] = frame.values
    return told


async def register(prefix: str, endpoint: str) -> None:
    async with aws_clients(REGION) as clients:
        registry = ModelRegistry(DynamoStore(await clients.dynamodb(), prefix))
        for version in ("v1", "v2"):
            await registry.register(
                ModelVersion(
                    model="pump-failure", version=version, algorithm="xgboost", endpoint=endpoint,
                    frame=FRAME, job_id="j1", run=1, dataset_id="d1", artefact="s3://models/1",
                    metrics="{}", trained_to=NOON, created_at=NOON,
                )
            )  # fmt: skip
        await registry.promote("pump-failure", "v1", at=NOON)


async def archive(prefix: str, messages: Sequence[ReadingsMessage]) -> None:
    """What the results-writer does with packs."""
    async with aws_clients(REGION) as clients:
        store = S3ObjectStore(await clients.s3(), physical_name(prefix, ARCHIVE.name))
        await ReadingsArchive(store).write([open_pack(message) for message in messages])
        ledger = Ledger(DynamoStore(await clients.dynamodb(), prefix), SystemClock())
        for message in messages:
            await ledger.record(PackId(message.id), ARCHIVE_HOP, {"archived": 1})


def check(
    predictions: Sequence[Prediction], packs: Sequence[Sequence[Reading]], endpoint: Endpoint
) -> None:
    shown: dict[tuple[str, int], Prediction] = {
        (p.asset, p.event_time): p for p in newest_by_identity(list(predictions))
    }
    expected = truth(packs)
    assert {key: p.features for key, p in shown.items()} == expected
    scores = endpoint.scores(list(expected.values()))
    for key, score in zip(expected, scores, strict=True):
        prediction = shown[key]
        assert prediction.probability == score
        assert prediction.decision == (score >= 0.5)
        assert prediction.model_version == prediction.variant
        assert prediction.variant in {"v1", "v2"}


async def test_every_frame_is_made_from_all_readings_through_kills_and_repeats(
    worker: CommandProcess, name_prefix: str, endpoint: Endpoint
) -> None:
    chance = random.Random(7)
    packs = make_packs(chance)
    messages = to_messages(packs)
    await register(name_prefix, endpoint.name)
    await archive(name_prefix, messages)
    queues = Queues(name_prefix)
    queues.shorten_visibility(QUEUES)
    sent = [*messages, *chance.sample(messages, len(messages) // 3)]
    chance.shuffle(sent)
    queues.publish("readings", [READINGS.encode(message) for message in sent])

    for kills in range(2):
        worker.start()
        await queues.begun("inference", from_=len(sent) - 15 * kills)
        worker.kill()
    worker.start()
    await worker.ready()
    await queues.drained(QUEUES)
    assert worker.end() in ENDED_IN_ORDER, worker.output

    check(take_predictions(queues.url("aurora")), packs, endpoint)
    async with aws_clients(REGION) as clients:
        ledger = Ledger(DynamoStore(await clients.dynamodb(), name_prefix), SystemClock())
        for message, pack in zip(messages, packs, strict=True):
            counts = (await ledger.counts(PackId(message.id)))[INFERENCE_HOP]
            fates = ("framed", "state_only", "unbound", "warming_up", "corrections", "late", "dead")
            assert counts["accepted"] == sum(counts[fate] for fate in fates) == len(pack)


async def test_an_endpoint_in_trouble_delays_predictions_and_loses_none(
    worker: CommandProcess, name_prefix: str, endpoint: Endpoint
) -> None:
    packs = make_packs(random.Random(8))
    messages = to_messages(packs)
    await register(name_prefix, endpoint.name)
    await archive(name_prefix, messages)
    queues = Queues(name_prefix)
    endpoint.put_faults(
        {"kind": "server_error", "count": 4},
        {"kind": "garbage", "count": 1},
        {"kind": "throttle", "probability": 0.2},
    )
    try:
        worker.start()
        await worker.ready()
        queues.publish("readings", [READINGS.encode(message) for message in messages])
        await queues.drained(("inference",))
        await queues.drained(QUEUES)
    finally:
        endpoint.clear_faults()
    assert worker.end() in ENDED_IN_ORDER, worker.output
    check(take_predictions(queues.url("aurora")), packs, endpoint)
    assert queues.waiting("deferred-dlq") == 0


async def test_without_aurora_the_process_is_not_ready_and_takes_no_message(
    name_prefix: str, tmp_path: Path, runtime_environment: None, endpoint: Endpoint
) -> None:
    await register(name_prefix, endpoint.name)
    queues = Queues(name_prefix)
    nowhere = "postgresql://nobody@127.0.0.1:9/nowhere"
    with worker_of(name_prefix, tmp_path, nowhere) as worker:
        worker.start()
        await worker.ready(status=503)
        queues.publish("readings", [READINGS.encode(to_messages(make_packs(random.Random(9)))[0])])
        assert worker.end() in ENDED_IN_ORDER, worker.output
    assert queues.waiting("inference") == 1
    assert queues.waiting("inference-dlq") == 0


async def test_a_worker_that_can_read_nothing_leaves_most_of_the_queue_where_it_is(
    name_prefix: str, tmp_path: Path, aurora_dsn: str, runtime_environment: None
) -> None:
    write_context(aurora_dsn, assets=ASSETS, bindings={})
    queues = Queues(name_prefix)
    with worker_of(name_prefix, tmp_path, aurora_dsn, dead_letter_least="5") as worker:
        worker.start()
        await worker.ready()
        queues.publish("readings", ["{}"] * 40)
        await asyncio.to_thread(
            wait_until, lambda: "consumer.paused" in worker.output, "the worker stops taking more"
        )
        assert worker.end() in ENDED_IN_ORDER, worker.output
    assert queues.waiting("inference-dlq") == 4
    assert queues.waiting("inference") == 36
