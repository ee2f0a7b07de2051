"""Training and streaming while processes are killed, messages doubled, dependencies taken away.

The AWS of the embedded stack is not killed here: it keeps messages in memory and loses up to ten
seconds of them by its nature, which SQS and SNS do not.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import psycopg
import pytest
import snowflake.connector
from penstock.domain.time import Micros, from_micros
from penstock_client.gateway import SendTotals
from penstock_client.sdk import Penstock
from penstock_local.checking.expected import Place
from penstock_local.checking.sent import Sent, read_logs
from penstock_local.checking.verdict import Findings
from penstock_local.demo import steps
from penstock_local.demo.history import serving_history
from penstock_local.demo.play import stores_of
from penstock_local.demo.scenario import Json, Scenario
from penstock_local.demo.steps import Outcome, Stage
from penstock_local.environment import ADMIN_TOKEN
from penstock_local.plant.layout import DEADBANDS, LABEL
from penstock_local.stack import PenstockStack

from tests.e2e.messages import Doubler, Queues, aws_client
from tests.e2e.pumps import Pumps, Stream
from tests.e2e.training import Traces, slice_message, traces_of, wait_for_end, wait_for_job
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.timeout(1500)

PUMPS = Pumps("pump-chaos", site=5)
SOURCE = "plant-on-a-bad-day"
BAD_DAY = (
    {"kind": "throttle", "path": "/api/", "probability": 0.3, "count": 3, "retry_after": 1},
    {"kind": "error", "path": "/api/", "probability": 0.2, "count": 3, "status": 500},
    {"kind": "truncate", "path": "/api/", "probability": 0.2, "count": 3},
)
LATE = ("--late-share", "0.08", "--late-by", "2400", "--connections", "2")
SECONDS_UNTIL_REDELIVERY = 15
LEAST_STREAM_SECONDS = 60
SERVICES = ("inference-worker", "results-writer", "ingest-api")
DEPENDENCIES = ("postgres", "snowflake", "sagemaker")


@dataclass(frozen=True, slots=True)
class Fire:
    """The stack with its doors open, on a day when all goes wrong."""

    stack: PenstockStack
    stage: Stage
    queues: Queues
    stream: Stream
    scenario: Scenario


@pytest.fixture(scope="module")
def fire(penstock_stack: PenstockStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fire]:
    url = penstock_stack.endpoint("front-door")
    queues = Queues(aws_client(penstock_stack, "sqs"))
    stream = Stream(PUMPS, LATE)
    # The plant's time runs so fast that a redelivery after seconds is one after hours.
    binding = PUMPS.binding(grace="3d")
    scenario = PUMPS.scenario(stream, source=SOURCE, binding=binding)
    folder = tmp_path_factory.mktemp("chaos")
    with (
        Penstock(url, ADMIN_TOKEN) as penstock,
        queues.coming_back_after(SECONDS_UNTIL_REDELIVERY),
    ):
        stage = Stage(penstock, url, stores_of(penstock_stack), folder)
        yield Fire(penstock_stack, stage, queues, stream, scenario)


@dataclass(frozen=True, slots=True)
class Trained:
    """A job that ended, what it left, and what the source holds of its range."""

    job: Json
    traces: Traces
    rows_of_source: int
    key: str


@pytest.fixture(scope="module")
def trained(fire: Fire) -> Trained:
    """A training during which its fetcher and its orchestrator were killed."""
    faults = [word for fault in BAD_DAY for word in ("--fault", json.dumps(fault))]
    arguments = [*PUMPS.history_options, *faults]
    with serving_history(arguments, fire.stage.folder / "history.log") as url:
        key = steps.set_up(fire.stage, fire.scenario, history_url=url)
        _put_slow_source(fire, url)
        job = _train_under_fire(fire)
        rows = _rows_of_source(url, job)
    return Trained(job, traces_of(fire.stack, job), rows, key)


def _rows_of_source(url: str, job: Json) -> int:
    httpx.delete(f"{url}/_penstock/faults").raise_for_status()
    span = job["body"]["dataset"]["range"]
    tags = [f"{prefix}/{tag}" for prefix in PUMPS.prefixes.values() for tag in (*DEADBANDS, LABEL)]
    asked = {"from": span["from"], "to": span["to"], "tags": ",".join(tags), "page_size": "1"}
    return int(httpx.get(f"{url}/api/readings", params=asked).raise_for_status().json()["total"])


def _put_slow_source(fire: Fire, url: str) -> None:
    """So slow that there is time to kill somebody."""
    body = {
        "plugin": "paged_json",
        "base_url": url,
        "rate": {"rps": 12, "concurrency": 3},
        "timeout_s": 2,  # so long a fetcher that died keeps its places
        "options": fire.scenario.source_options,
    }
    fire.stage.penstock.sources.put(SOURCE, body)


def _train_under_fire(fire: Fire) -> Json:
    penstock, stack = fire.stage.penstock, fire.stack
    job_id = penstock.jobs.start(fire.scenario.job)["job_id"]
    wait_for_job(
        penstock, job_id, lambda job: job["slices"]["done"] >= 5, "5 slices done", seconds=180
    )
    fetcher = stack.kill("training-fetcher")
    wait_for_job(
        penstock, job_id, lambda job: job["status"] == "TRAINING", "it trains", seconds=240
    )
    orchestrator = stack.kill("training-orchestrator")
    stack.wait_until_back("training-orchestrator", before=orchestrator)
    stack.wait_until_back("training-fetcher", before=fetcher)
    return wait_for_end(penstock, job_id)


def test_training_completes_though_its_processes_die_and_its_source_stumbles(
    trained: Trained,
) -> None:
    assert trained.job["status"] == "COMPLETED", trained.job["reason"]
    assert trained.job["result"] == "deployed"
    assert trained.job["run"] == 1


def test_no_training_ran_twice(trained: Trained) -> None:
    assert [one["TrainingJobStatus"] for one in trained.traces.trainings] == ["Completed"]
    assert trained.traces.programs_started == 1
    assert trained.traces.executions == 1


def test_every_slice_is_done_once(trained: Trained) -> None:
    slices = trained.job["slices"]

    assert slices["planned"] == 20
    assert (slices["open"], slices["failed"]) == (0, 0)
    states = Counter(item["state"] for item in trained.traces.slices)
    assert states.keys() <= {"DONE", "SPLIT"}
    assert states["DONE"] == slices["done"]
    assert slices["rows"] == trained.rows_of_source


@dataclass(frozen=True, slots=True)
class Streamed:
    """What was sent, what it came to, and every message that was doubled meanwhile."""

    sent: Sent
    totals: SendTotals
    doubler: Doubler
    outcome: Outcome


@pytest.fixture(scope="module")
def streamed(fire: Fire, trained: Trained) -> Streamed:
    """A stream through kills and outages, each of its messages delivered twice."""
    steps.prove_the_way(fire.stage, fire.scenario, trained.key)
    doubler = Doubler(fire.stack)
    with doubler.at_work():
        with _streaming(fire, trained.key) as sending:
            _kill_in_mid_stream(fire, SERVICES, sending)
            for dependency in DEPENDENCIES:
                _kill_in_mid_stream(fire, [dependency], sending)
            _wait_for_whole_stream(fire.stage.log, sending)
        outcome = steps.settle(fire.stage, fire.scenario, seconds=300)
    return Streamed(read_logs([fire.stage.log]), sending.result(), doubler, outcome)


@contextmanager
def _streaming(fire: Fire, key: str) -> Iterator[Future[SendTotals]]:
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(steps.stream, fire.stage, fire.scenario, key, lambda _: None)
        try:
            yield sending
        finally:
            fire.stream.enough.set()


def _kill_in_mid_stream(fire: Fire, parts: Sequence[str], sending: Future[SendTotals]) -> None:
    """Kill parts shortly after one another, and let the stream go on for a while after that."""
    killed = {}
    for part in parts:
        _wait_for_more(fire.stage.log, sending, requests=5)
        killed[part] = fire.stack.kill(part)
    for part, pid in killed.items():
        fire.stack.wait_until_back(part, before=pid)
    _wait_for_more(fire.stage.log, sending, requests=5)


def _wait_for_more(log: Path, sending: Future[SendTotals], *, requests: int) -> None:
    until = _accepted(log) + requests

    def has_more() -> bool:
        assert not sending.done(), "the stream ended before all were killed"
        return _accepted(log) >= until

    wait_until(has_more, f"{until} requests were accepted", seconds=180, every_seconds=0.1)


def _wait_for_whole_stream(log: Path, sending: Future[SendTotals]) -> None:
    """However fast this machine brings its parts back, what was doubled is a minute's messages."""

    def is_whole() -> bool:
        assert not sending.done(), "the stream ended before it was a minute long"
        return _seconds_between(_lines(log)) >= LEAST_STREAM_SECONDS

    wait_until(is_whole, "the stream is a minute long", seconds=300, every_seconds=0.5)


def _seconds_between(lines: Sequence[bytes]) -> float:
    first, last = (datetime.fromisoformat(json.loads(lines[n])["sent_at"]) for n in (0, -1))
    return (last - first).total_seconds()


def _accepted(log: Path) -> int:
    return sum(b'"status":200' in line for line in _lines(log)) if log.exists() else 0


def _lines(log: Path) -> list[bytes]:
    return [line for line in log.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def test_every_frame_is_predicted_once_in_every_store(streamed: Streamed) -> None:
    assert len(streamed.outcome.expected) > 200
    assert streamed.outcome.is_right, _wrong(streamed.outcome)


def test_the_stream_brought_late_readings_and_every_message_twice(streamed: Streamed) -> None:
    newest: dict[str, int] = {}
    late = 0
    for reading in streamed.sent.readings:
        asset = reading.tag.rpartition("/")[0]
        newest[asset] = max(newest.get(asset, 0), reading.at)
        late += reading.at < newest[asset] - 900_000_000

    assert late > 20
    assert len(streamed.doubler.bodies["readings"]) > 50
    assert len(streamed.doubler.bodies["predictions"]) > 50


def test_messages_that_come_a_third_time_change_nothing(fire: Fire, streamed: Streamed) -> None:
    streamed.doubler.send_again(every=5)
    fire.queues.wait_until_drained(seconds=300)

    outcome = steps.settle(fire.stage, fire.scenario, seconds=180)

    assert outcome.is_right, _wrong(outcome)


def test_finished_slices_that_come_again_change_nothing(fire: Fire, trained: Trained) -> None:
    done = [item for item in trained.traces.slices if item["state"] == "DONE"]
    fire.queues.send("slices", [slice_message(trained.job, item) for item in done])
    fire.queues.wait_until_drained(seconds=180)

    assert fire.stage.penstock.jobs.get(trained.job["job_id"]) == trained.job
    assert traces_of(fire.stack, trained.job) == trained.traces


def test_the_checker_sees_a_loss_and_a_double_in_the_real_stores(
    fire: Fire, streamed: Streamed
) -> None:
    # A repeat that is still on its way would bring back what is taken away.
    fire.queues.wait_until_drained(seconds=300)
    lost, doubled = sorted(streamed.outcome.expected)[:2]

    with _lost_in_aurora(fire, lost), _doubled_in_snowflake(fire, doubled):
        spoiled = {found.store: found for found in _judged(fire)}

    assert spoiled["aurora"].lost == [lost]
    assert spoiled["snowflake"].doubled == [doubled]
    assert spoiled["lake"].is_right
    assert spoiled["latest"].is_right
    assert all(found.is_right for found in _judged(fire)), "what was spoiled is whole again"


def _judged(fire: Fire) -> list[Findings]:
    return steps.settle(fire.stage, fire.scenario, seconds=0).findings


@contextmanager
def _lost_in_aurora(fire: Fire, place: Place) -> Iterator[None]:
    """Take a row away for a while."""
    taken = (
        "DELETE FROM predictions USING dim_binding, dim_asset WHERE dim_binding.id = binding_id"
        " AND dim_asset.id = asset_id"
        " AND (dim_binding.name, dim_asset.name, event_time) = (%s, %s, %s)"
        " RETURNING predictions.*"
    )
    name, asset, at = place
    with psycopg.connect(fire.stage.stores.aurora_dsn, autocommit=True) as connection:
        cursor = connection.execute(taken, [name, asset, from_micros(Micros(at))])
        columns = [column.name for column in cursor.description or ()]
        (row,) = cursor.fetchall()
        try:
            yield
        finally:
            marks = ", ".join(["%s"] * len(row))
            connection.execute(
                f"INSERT INTO predictions ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608  # names are its own
                row,
            )


@contextmanager
def _doubled_in_snowflake(fire: Fire, place: Place) -> Iterator[None]:
    """Write a row twice for a while."""
    name, asset, at = place
    where = (name, asset, from_micros(Micros(at)).replace(tzinfo=None))
    with closing(snowflake.connector.connect(**fire.stage.stores.snowflake)) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "INSERT INTO PREDICTIONS SELECT * EXCLUDE BATCH_ID, 'doubled' FROM PREDICTIONS"
            " WHERE RUN = 'live' AND BINDING = %s AND ASSET = %s AND EVENT_TIME = %s",
            where,
        )
        try:
            yield
        finally:
            cursor.execute("DELETE FROM PREDICTIONS WHERE BATCH_ID = 'doubled'")


def _wrong(outcome: Outcome) -> str:
    return "; ".join(str(finding) for finding in outcome.findings)
