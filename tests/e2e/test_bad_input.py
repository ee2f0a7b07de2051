"""Bad input ends in an answer, a quarantine entry or a dead letter that says why: here each does.

Everything is asked through the public doors, as the people would who have to find out.
"""

import gzip
import io
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pyarrow.parquet as pq
import pytest
from penstock.resources import ARCHIVE, TRAINING, physical_name
from penstock_client.sdk import Penstock
from penstock_local.demo.history import serving_history
from penstock_local.demo.plant_scenario import readings_api
from penstock_local.demo.scenario import Json
from penstock_local.environment import ADMIN_TOKEN, PREFIX
from penstock_local.plant.layout import DEADBANDS, LABEL
from penstock_local.stack import PenstockStack

from tests.e2e.messages import Queues, aws_client
from tests.e2e.pumps import Pumps
from tests.e2e.training import wait_for_end, wait_for_job
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.timeout(300), pytest.mark.chaos]

PUMPS = Pumps("pump-picky", site=7, machines=2, history=timedelta(days=6), live=timedelta(days=3))
GATEWAY = "careless-gateway"
HEALTHY, LOCKED, LURING, LAVISH = "healthy", "locked", "luring", "lavish"
METADATA = "http://169.254.169.254/latest/meta-data/"
FEATURES = len(DEADBANDS)


@dataclass(frozen=True, slots=True)
class Doors:
    """The public doors, with the key of a gateway that may name one site only."""

    stack: PenstockStack
    penstock: Penstock
    gateway: httpx.Client
    locked_url: str

    def post(self, body: object) -> httpx.Response:
        """Send what a gateway would."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.gateway.post("/v1/readings", content=content)

    def quarantined(self, request_id: str) -> dict[str, Json]:
        """What is kept of a request, by reason."""
        items = self.penstock.session.items("/v1/quarantine", gateway_id=GATEWAY)
        return {item["reason"]: item for item in items if item["request_id"] == request_id}

    def dead_letter(self, says: str, *, seconds: float = 60) -> Json:
        """Wait for the dead letter whose reason says so, and read it whole."""
        found: list[Json] = []

        def has_died() -> bool:
            letters = self.penstock.dead_letters.list()
            found[:] = [letter for letter in letters if says in letter["reason"]]
            return bool(found)

        wait_until(has_died, f"a dead letter says {says!r}", seconds=seconds, every_seconds=0.3)
        return self.penstock.dead_letters.get(found[0]["id"])

    def send_scan(self, prefix: str) -> None:
        """Send one reading of every tag of a pump, all of one time."""
        at = now().isoformat()
        items = [{"tag": f"{prefix}/{tag}", "value": 1.5, "at": at} for tag in DEADBANDS]
        assert self.post({"readings": items}).json()["accepted"] == len(items)

    def predicted(self, asset: str) -> bool:
        return any(True for _ in self.penstock.predictions.list(asset=asset))

    def wait_for_prediction(self, asset: str, *, seconds: float = 60) -> None:
        wait_until(
            lambda: self.predicted(asset), f"{asset} has a prediction", seconds=seconds,
            every_seconds=0.3,
        )  # fmt: skip


@pytest.fixture(scope="module")
def doors(
    penstock_stack: PenstockStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("bad-input")
    url = penstock_stack.endpoint("front-door")
    with (
        Penstock(url, ADMIN_TOKEN) as penstock,
        serving_history(PUMPS.history_options, folder / "history.log") as history_url,
        serving_history(PUMPS.history_options, folder / "locked.log") as locked_url,
        luring_to_metadata() as luring_url,
    ):
        everything = readings_api()
        del everything["params"]["tags"]
        for name, base, options in (
            (HEALTHY, history_url, readings_api()),
            (LOCKED, locked_url, readings_api()),
            (LURING, luring_url, readings_api()),
            (LAVISH, history_url, everything),
        ):
            body = {
                "plugin": "paged_json",
                "base_url": base,
                "rate": {"rps": 100, "concurrency": 4},
            }
            penstock.sources.put(name, {**body, "options": options})
        penstock.gateways.put(GATEWAY, {"paths": [f"/{PUMPS.site_name}"]})
        key = penstock.gateways.add_key(GATEWAY)["key"]
        for asset, prefix in PUMPS.prefixes.items():
            body = {"site": "picky", "asset_type": PUMPS.name, "prefixes": [prefix]}
            penstock.assets.put(asset, body)
        with httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=30) as gateway:
            yield Doors(penstock_stack, penstock, gateway, locked_url)


@contextmanager
def luring_to_metadata() -> Iterator[str]:
    """Serve nothing but redirects to where an instance's credentials would be."""

    class Lure(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("location", METADATA)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Lure) as server:
        serving = threading.Thread(target=server.serve_forever, name="lure")
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()


def reading(tag: str, value: object, at: datetime) -> Json:
    path = f"{next(iter(PUMPS.prefixes.values()))}/{tag}"
    return {"tag": path, "value": value, "quality": "good", "at": at.isoformat()}


def now() -> datetime:
    return datetime.now(UTC)


def test_each_bad_item_is_refused_alone_and_kept_with_its_reason(doors: Doors) -> None:
    at = now()
    forbidden = {**reading("TEMP", 5, at), "tag": "/SITE99/P-1/TEMP"}
    items = [
        reading("TEMP", 70.5, at),
        reading("TEMP", float("nan"), at),
        reading("TEMP", 1, datetime(1970, 5, 1, tzinfo=UTC)),
        reading("TEMP", 2, at + timedelta(days=365)),
        forbidden,
    ]

    answer = doors.post({"readings": items})

    assert answer.status_code == 200
    told = answer.json()
    expected = ["not_finite", "time_too_old", "time_in_future", "path_not_allowed"]
    assert told["accepted"] == 1
    assert [item["reason"] for item in told["rejected"]] == expected
    assert [item["index"] for item in told["rejected"]] == [1, 2, 3, 4]
    kept = wait_for_quarantine(doors, told["request_id"], count=4)
    assert list(kept) == expected
    assert "/SITE99/P-1/TEMP" in kept["path_not_allowed"]["item"]


def wait_for_quarantine(doors: Doors, request_id: str, *, count: int) -> dict[str, Json]:
    wait_until(
        lambda: len(doors.quarantined(request_id)) == count,
        f"{count} items of the request are in quarantine", seconds=60, every_seconds=0.3,
    )  # fmt: skip
    return doors.quarantined(request_id)


def test_a_body_that_is_not_json_is_answered_and_kept(doors: Doors) -> None:
    answer = doors.post(b"<reading tag='TEMP'>71</reading>")

    assert answer.status_code == 400
    assert "not JSON" in answer.json()["detail"]
    kept = wait_for_quarantine(doors, answer.json()["request_id"], count=1)
    assert kept["not_json"]["item"] == "<reading tag='TEMP'>71</reading>"


def test_a_gateway_that_names_only_what_it_may_not_is_forbidden(doors: Doors) -> None:
    answer = doors.post({"readings": [{**reading("TEMP", 5, now()), "tag": "/SITE99/X/TEMP"}]})

    assert answer.status_code == 403
    assert answer.json()["by_reason"] == {"path_not_allowed": 1}
    wait_for_quarantine(doors, answer.json()["request_id"], count=1)


def test_a_huge_body_is_refused_by_its_size(doors: Doors) -> None:
    answer = doors.post(b"[" + b" " * 20_000_000 + b"]")

    assert answer.status_code == 413
    assert "at most" in answer.json()["detail"]


def test_a_gzip_bomb_is_refused_before_it_opens(doors: Doors) -> None:
    bomb = gzip.compress(b"[" + b" " * 200_000_000 + b"]")

    answer = doors.gateway.post("/v1/readings", content=bomb, headers={"content-encoding": "gzip"})

    assert answer.status_code == 413
    assert "opens to at most" in answer.json()["detail"]


def test_a_wrong_key_is_refused_and_seen_at_its_gateway(doors: Doors) -> None:
    wrong = f"psk_{GATEWAY}_{'0' * 64}"

    answer = doors.gateway.post("/v1/readings", json=[], headers={"x-api-key": wrong})

    assert answer.status_code == 401
    wait_until(
        lambda: doors.penstock.gateways.get(GATEWAY)["last_bad_key_at"] is not None,
        "the gateway tells of a wrong key", every_seconds=0.2,
    )  # fmt: skip


def test_an_unknown_tag_is_accepted_archived_and_discovered(doors: Doors) -> None:
    tag = f"/{PUMPS.site_name}/BOILER/STEAM"

    answer = doors.post({"readings": [{**reading("TEMP", 5.5, now()), "tag": tag}]})

    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    wait_until(
        lambda: tag in discovered_tags(doors), f"{tag} is discovered", seconds=60,
        every_seconds=0.3,
    )  # fmt: skip
    assert archived_values(doors, tag) == [5.5]


def discovered_tags(doors: Doors) -> list[str]:
    listed = doors.penstock.session.items("/v1/tags", discovered="true", gateway_id=GATEWAY)
    return [row["tag"] for row in listed]


def archived_values(doors: Doors, tag: str) -> list[float]:
    """Values of a tag in today's archive, as an auditor would read them."""
    s3, bucket = aws_client(doors.stack, "s3"), physical_name(PREFIX, ARCHIVE.name)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=f"readings/dt={now().date()}/"
    )
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    rows = [row for body in bodies for row in pq.read_table(io.BytesIO(body)).to_pylist()]
    return [row["value"] for row in rows if row["tag"] == tag]


@dataclass(frozen=True, slots=True)
class Jobs:
    """Ids of jobs: one that is right, and some that cannot end well."""

    right: str
    locked_out: str
    lured: str
    mislabelled: str
    crashing: str


@pytest.fixture(scope="module")
def jobs(doors: Doors) -> Jobs:
    """All jobs at once: each ends while another test waits."""
    httpx.put(
        f"{doors.locked_url}/_penstock/faults",
        json=[{"kind": "error", "status": 403, "path": "/api/"}],
    ).raise_for_status()
    start = doors.penstock.jobs.start
    return Jobs(
        right=start(PUMPS.job(HEALTHY))["job_id"],
        locked_out=start(short_job(LOCKED))["job_id"],
        lured=start(short_job(LURING))["job_id"],
        mislabelled=start(short_job(LAVISH, label={"tag": "FAILUR"}))["job_id"],
        crashing=start(crashing_job())["job_id"],
    )


def short_job(source: str, **dataset: object) -> Json:
    """A job of another model on one day of history, which nobody will use."""
    job = PUMPS.job(source)
    span = {
        "from": (PUMPS.split - timedelta(days=1)).isoformat(),
        "to": PUMPS.split.isoformat(),
    }
    return {
        **job,
        "model": f"{PUMPS.name}-{source}",
        "dataset": {**job["dataset"], "range": span, **dataset},
        "rollout": {"strategy": "register_only"},
    }


def crashing_job() -> Json:
    """A value that only the program itself knows to be impossible."""
    job = short_job(HEALTHY)
    train = {"algorithm": "xgboost", "hyperparameters": {"num_round": 10, "max_depth": -3}}
    return {**job, "model": f"{PUMPS.name}-crash", "train": train}


@pytest.fixture(scope="module")
def model(doors: Doors, jobs: Jobs) -> str:
    """A model in use: its binding predicts the pumps of this file."""
    job = wait_for_end(doors.penstock, jobs.right)
    assert job["status"] == "COMPLETED", job["reason"]
    doors.penstock.bindings.put(PUMPS.name, PUMPS.binding())
    (asset, prefix), *_ = PUMPS.prefixes.items()

    def predicts() -> bool:
        # Until the worker knows the new binding, its readings are nobody's.
        doors.send_scan(prefix)
        return doors.predicted(asset)

    wait_until(predicts, f"{PUMPS.name} predicts {asset}", seconds=60, every_seconds=0.5)
    return PUMPS.name


def test_a_source_that_refuses_fails_the_job_until_it_is_healthy_again(
    doors: Doors, jobs: Jobs
) -> None:
    job = wait_for_end(doors.penstock, jobs.locked_out)
    assert job["status"] == "FAILED"
    assert "answered 403" in job["reason"]
    assert f"/v1/jobs/{jobs.locked_out}/retry" in job["reason"]
    httpx.delete(f"{doors.locked_url}/_penstock/faults").raise_for_status()

    doors.penstock.jobs.retry(jobs.locked_out)

    again = wait_for_end(doors.penstock, jobs.locked_out)
    assert (again["status"], again["run"]) == ("COMPLETED", 2), again["reason"]


def test_a_source_that_leads_to_instance_metadata_fails_the_job_naming_it(
    doors: Doors, jobs: Jobs
) -> None:
    job = wait_for_end(doors.penstock, jobs.lured)

    assert job["status"] == "FAILED"
    assert "169.254.169.254" in job["reason"]


def test_a_label_that_no_tag_has_fails_the_job_naming_the_tags_that_exist(
    doors: Doors, jobs: Jobs
) -> None:
    job = wait_for_end(doors.penstock, jobs.mislabelled)

    assert job["status"] == "FAILED"
    for word in ("FAILUR", LABEL, *DEADBANDS):
        assert word in job["reason"]


def test_a_training_that_crashes_fails_the_job_in_the_words_of_its_program(
    doors: Doors, jobs: Jobs
) -> None:
    job = wait_for_end(doors.penstock, jobs.crashing)

    assert job["status"] == "FAILED"
    assert "max_depth" in job["reason"]
    assert "max_depth" in doors.penstock.jobs.logs(jobs.crashing)


def test_a_raw_page_that_is_gone_fails_the_job_naming_it(doors: Doors, jobs: Jobs) -> None:
    s3, bucket = aws_client(doors.stack, "s3"), physical_name(PREFIX, TRAINING.name)
    with held_still(doors.stack, "training-preparer"):
        job_id = doors.penstock.jobs.start(short_job(HEALTHY))["job_id"]
        wait_for_job(
            doors.penstock, job_id, lambda job: job["status"] == "PREPARING", "is prepared",
            seconds=60,
        )  # fmt: skip
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"raw/{job_id}/")["Contents"]
        page = next(f["Key"] for f in found if "00000" in f["Key"] and "meta" not in f["Key"])
        s3.delete_object(Bucket=bucket, Key=page)

    job = wait_for_end(doors.penstock, job_id)

    assert job["status"] == "FAILED"
    assert page in job["reason"]


@contextmanager
def held_still(stack: PenstockStack, part: str) -> Iterator[None]:
    """Keep a part from doing anything for a while."""
    pid = stack.pid(part)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_dataset_whose_file_is_gone_fails_the_job_naming_it(doors: Doors, jobs: Jobs) -> None:
    dataset = wait_for_end(doors.penstock, jobs.crashing)["dataset_id"]
    s3, bucket = aws_client(doors.stack, "s3"), physical_name(PREFIX, TRAINING.name)
    s3.delete_object(Bucket=bucket, Key=f"datasets/{dataset}/train/part-0.csv")

    job_id = doors.penstock.jobs.start(job_on(dataset, f"{PUMPS.name}-late"))["job_id"]

    job = wait_for_end(doors.penstock, job_id)
    assert job["status"] == "FAILED"
    assert f"datasets/{dataset}/train/" in job["reason"]


def job_on(dataset_id: str, model: str) -> Json:
    job = PUMPS.job(HEALTHY)
    return {**job, "model": model, "dataset": {"id": dataset_id}}


def test_rows_of_a_model_that_answers_garbage_wait_until_it_speaks_again(
    doors: Doors, model: str
) -> None:
    *_, (asset, prefix) = PUMPS.prefixes.items()
    faults = f"{doors.stack.endpoint('sagemaker')}/_penstock/faults"
    garbage = [{"kind": "garbage", "endpoint": physical_name(PREFIX, model)}]
    httpx.put(faults, json=garbage).raise_for_status()
    try:
        doors.send_scan(prefix)
        queues = Queues(aws_client(doors.stack, "sqs"))
        wait_until(
            lambda: queues.count("deferred") > 0, "the row is deferred", seconds=60,
            every_seconds=0.1,
        )  # fmt: skip
        assert not doors.predicted(asset)
    finally:
        httpx.delete(faults).raise_for_status()

    doors.wait_for_prediction(asset)


def test_a_sequence_of_the_wrong_length_dies_alone(doors: Doors, model: str) -> None:
    right, wrong = (f"/{PUMPS.site_name}/sensor-of-{n}" for n in (FEATURES, FEATURES - 2))

    answer = doors.post([sequence(right, model, FEATURES), sequence(wrong, model, FEATURES - 2)])

    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
    doors.wait_for_prediction(right)
    letter = doors.dead_letter(f"trained with {FEATURES}")
    assert wrong in letter["body"]
    assert right not in letter["body"]
    assert not doors.predicted(wrong)


def sequence(sensor: str, model: str, length: int) -> Json:
    at = round(now().timestamp() * 1000)
    return {"timestamp": at, "sensor": sensor, "model": model, "data": [70.0] * length}


def test_an_endpoint_that_does_not_exist_leaves_dead_letters_naming_it(
    doors: Doors, jobs: Jobs
) -> None:
    """Somebody deletes an endpoint by hand, behind a binding's back."""
    dataset = wait_for_end(doors.penstock, jobs.right)["dataset_id"]
    name = f"{PUMPS.name}-gone"
    job = doors.penstock.jobs.start(job_on(dataset, name))
    assert wait_for_end(doors.penstock, job["job_id"])["status"] == "COMPLETED"
    asset = "P-orphan"
    prefix = f"/{PUMPS.site_name}/{asset}"
    doors.penstock.assets.put(asset, {"site": "picky", "asset_type": name, "prefixes": [prefix]})
    binding = {"applies_to": {"asset_type": name}, "model": {"name": name}}
    doors.penstock.bindings.put(name, binding)
    endpoint = physical_name(PREFIX, name)
    sagemaker = aws_client(doors.stack, "sagemaker", part="sagemaker")
    sagemaker.delete_endpoint(EndpointName=endpoint)
    wait_until(
        lambda: not sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"],
        "the endpoint is gone", seconds=30, every_seconds=0.2,
    )  # fmt: skip

    def dies() -> bool:
        # Until the worker knows the new binding, its readings are nobody's.
        doors.send_scan(prefix)
        return any(endpoint in one["reason"] for one in doors.penstock.dead_letters.list())

    wait_until(dies, f"a dead letter names {endpoint}", seconds=60, every_seconds=1.0)
    letter = doors.dead_letter(endpoint)
    assert asset in letter["body"]
