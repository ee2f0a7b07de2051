import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from penstock.adapters.issuer import HttpIssuer
from penstock.adapters.memory import MemoryQueue
from penstock.domain.datasets import SliceState
from penstock.domain.endpoints import EndpointStatus, Variant
from penstock.domain.errors import StoreUnavailable
from penstock.domain.jobs import JobStatus, SliceOutcome
from penstock.domain.time import Micros
from penstock.ports import PublishOutcome
from penstock.registry import ModelVersion
from penstock.resources import AUDIT
from penstock.runtime import auth
from penstock.runtime.oidc import OidcTokens
from penstock.runtime.settings import OidcSettings

from tests.fixtures.issuer import CLIENT, little_issuer
from tests.unit.training_orchestrator.factories import make_request
from tests.unit.training_orchestrator.world import World

FRAME = '{"features": [{"name": "temp", "tag": "TEMP"}]}'


async def started(world: World, **parts: Any) -> dict[str, Any]:
    await world.add_source()
    async with world.client() as client:
        answer = await client.post("/v1/jobs", json=make_request(**parts))
    assert answer.status_code == 202
    return dict(answer.json())


def audit_of(world: World) -> list[tuple[object, object]]:
    return [(row["action"], row["role"]) for row in world.store.items[AUDIT.name].values()]


async def register(world: World, number: str, job_id: str) -> ModelVersion:
    version = ModelVersion(
        model="pump-failure", version=number, algorithm="xgboost",
        endpoint="penstock-pump-failure", frame=FRAME, job_id=job_id, run=1, dataset_id="ds_1",
        artefact="s3://b/model.tar.gz", metrics='{"pr_auc": 0.8}', trained_to=Micros(0),
        created_at=Micros(0),
    )  # fmt: skip
    await world.bench.registry.register(version)
    return version


async def test_a_job_is_accepted_with_every_default_and_its_pull_has_begun() -> None:
    world = World()
    await world.add_source()
    async with world.client() as client:
        answer = await client.post("/v1/jobs", json=make_request())
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['job_id']}"
    assert job["status"] == "PULLING"
    assert job["summary"] == "Running"
    assert job["body"]["train"]["algorithm"] == "xgboost"
    assert job["body"]["dataset"]["range"]["from"] == "2026-11-01T00:00:00.000000Z"
    assert job["slices"]["planned"] == 16
    assert job["slices"]["open"] == len(world.slices.bodies) == 4  # twice the source's concurrency
    assert audit_of(world) == [("job.create", "operator")]


async def test_the_answered_body_can_be_sent_again() -> None:
    world = World()
    job = await started(world)
    async with world.client() as client:
        again = await client.post("/v1/jobs", json=job["body"])
    assert again.status_code == 202
    assert again.json()["body"] == job["body"]


async def test_the_same_idempotency_key_makes_one_job() -> None:
    world = World()
    await world.add_source()
    headers = {"idempotency-key": "notebook-7"}
    async with world.client() as client:
        first = await client.post("/v1/jobs", json=make_request(), headers=headers)
        second = await client.post("/v1/jobs", json=make_request(), headers=headers)
        other = await client.post("/v1/jobs", json=make_request(model="fan"), headers=headers)
    assert second.json()["job_id"] == first.json()["job_id"]
    assert len(world.slices.bodies) == 4
    assert other.status_code == 409
    assert other.json()["error"] == "AlreadyAccepted"


async def test_a_job_is_accepted_while_its_queue_is_away_and_begun_later() -> None:
    class Away(MemoryQueue):
        async def publish(self, bodies: Sequence[str]) -> Sequence[PublishOutcome]:
            raise StoreUnavailable("the broker is away")

    world = World(slices=Away())
    job = await started(world)
    assert job["status"] == "PULLING"
    assert job["slices"]["open"] == 4  # written: the sweeper sends them


async def test_every_fault_is_answered_by_its_path() -> None:
    async with World().client() as client:
        answer = await client.post("/v1/jobs", json=make_request(rollout={"strategy": "canary"}))
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["detail"]] == [
        "rollout.strategy", "dataset.source",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
async def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    async with World().client() as client:
        answer = await client.post("/v1/jobs", content=body)
    assert answer.status_code == 422


async def test_a_dry_run_reckons_and_writes_nothing() -> None:
    world = World()
    await world.add_source()
    request = make_request()
    request["dataset"]["slicing"] = {"window": "6h", "tags_per_request": 3}
    async with world.client() as client:
        answer = await client.post("/v1/jobs?dry_run=true", json=request)
    check = answer.json()
    assert answer.status_code == 200
    assert check["ok"] is True
    assert check["estimate"]["slices"] == 16
    assert check["estimate"]["readings"] == 2 * 24 * 60 * 6
    assert check["estimate"]["rows"] == 2 * 24 * 60 * 2
    assert check["estimate"]["minutes"]["total"] > 0
    assert check["estimate"]["dollars"]["endpoint_per_month"] == pytest.approx(83.95)
    assert check["body"]["rollout"]["endpoint"] == "pump-failure"
    assert "jobs" not in world.store.items


async def test_a_dry_run_tells_every_fault() -> None:
    async with World().client() as client:
        answer = await client.post("/v1/jobs?dry_run=true", json={"model": "pump-failure"})
    assert answer.status_code == 200
    assert answer.json()["ok"] is False
    assert answer.json()["faults"] == [{"path": "dataset", "message": "is needed"}]


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/v1/jobs", "viewer"),
        ("GET", "/v1/jobs/j", "viewer"),
        ("GET", "/v1/jobs/j/events", "viewer"),
        ("GET", "/v1/jobs/j/logs", "viewer"),
        ("POST", "/v1/jobs", "operator"),
        ("POST", "/v1/jobs/j/stop", "operator"),
        ("POST", "/v1/jobs/j/retry", "operator"),
        ("GET", "/v1/datasets/d", "viewer"),
        ("GET", "/v1/models", "viewer"),
        ("GET", "/v1/models/m", "viewer"),
        ("GET", "/v1/models/m/versions", "viewer"),
        ("GET", "/v1/models/m/versions/v1", "viewer"),
        ("POST", "/v1/models/m/versions/v1/promote", "admin"),
        ("GET", "/v1/endpoints/e", "viewer"),
    ],
)
async def test_every_route_needs_a_token_of_its_role(method: str, path: str, role: str) -> None:
    world = World()
    ranks = ["viewer", "operator", "admin"]
    for token, held in (("look", "viewer"), ("do", "operator"), ("rule", "admin")):
        async with world.client(token) as client:
            answer = await client.request(method, path)
        assert (answer.status_code == 403) == (ranks.index(held) < ranks.index(role))
    for nobody in (None, "guess"):
        async with world.client(nobody) as client:
            assert (await client.request(method, path)).status_code == 401


async def test_no_route_was_forgotten_in_the_test_of_roles() -> None:
    paths = World().app().openapi()["paths"]
    routes = [path for path in paths if path.startswith("/v1/")]
    assert len([method for path in routes for method in paths[path]]) == 14


async def test_health_needs_no_token() -> None:
    async with World().client(None) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_a_person_of_the_issuer_is_named_in_the_audit_and_in_the_job() -> None:
    world = World()
    await world.add_source()
    async with little_issuer() as issuer:
        rules = OidcSettings(issuer=issuer.url, audience=CLIENT)
        judge = OidcTokens(rules, HttpIssuer(issuer.url), world.clock, world.metrics)
        app = world.app()
        auth.install_tokens(app.state, {}, judge)
        token = issuer.token(cognito_groups=["operator"])
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://penstock",
            headers={"authorization": f"Bearer {token}"},
        ) as client:  # fmt: skip
            answer = await client.post("/v1/jobs", json=make_request())
        await judge.close()
    assert answer.status_code == 202
    assert answer.json()["created_by"] == "anna@example.com (oidc:7f3c)"
    (row,) = world.store.items[AUDIT.name].values()
    assert (row["who"], row["role"]) == ("anna@example.com (oidc:7f3c)", "operator")


async def test_jobs_are_listed_newest_first_in_pages_and_filtered() -> None:
    world = World()
    ids = []
    for model in ("pump-failure", "fan", "pump-failure"):
        ids.append((await started(world, model=model))["job_id"])
        world.clock.advance(seconds=1)
    async with world.client("look") as client:
        first = (await client.get("/v1/jobs?limit=2")).json()
        rest = (await client.get(f"/v1/jobs?limit=2&cursor={first['next']}")).json()
        fans = (await client.get("/v1/jobs?model=fan")).json()
        failed = (await client.get("/v1/jobs?status=FAILED&status=STOPPED")).json()
    assert [job["job_id"] for job in first["items"]] == [ids[2], ids[1]]
    assert [job["job_id"] for job in rest["items"]] == [ids[0]]
    assert rest["next"] is None
    assert [job["job_id"] for job in fans["items"]] == [ids[1]]
    assert failed["items"] == []


async def test_an_unknown_job_is_404() -> None:
    async with World().client() as client:
        for path in ("/v1/jobs/job-9", "/v1/jobs/job-9/events", "/v1/jobs/job-9/logs"):
            assert (await client.get(path)).status_code == 404


async def test_a_pull_is_stopped_at_once_and_again_harmlessly_not() -> None:
    world = World()
    job = await started(world)
    async with world.client() as client:
        stopped = (await client.post(f"/v1/jobs/{job['job_id']}/stop")).json()
        again = await client.post(f"/v1/jobs/{job['job_id']}/stop")
    assert stopped["status"] == "STOPPED"
    assert stopped["reason"] == "stopped by operator-1"
    assert stopped["ended_at"] is not None
    assert again.status_code == 409
    assert ("job.stop", "operator") in audit_of(world)


async def test_a_training_is_asked_to_stop_and_asking_again_is_harmless() -> None:
    world = World()
    job = await started(world)
    held = await world.bench.jobs.load(job["job_id"])
    for status in (JobStatus.PREPARING, JobStatus.TRAINING):
        held = await world.bench.jobs.move(held, status)
    async with world.client() as client:
        stopping = await client.post(f"/v1/jobs/{job['job_id']}/stop")
        again = await client.post(f"/v1/jobs/{job['job_id']}/stop")
    assert stopping.json()["status"] == again.json()["status"] == "STOPPING"
    assert again.status_code == 202
    assert (await world.bench.jobs.load(job["job_id"])).stop_requested


async def test_a_retry_is_a_new_run_and_only_of_what_ended_badly() -> None:
    world = World()
    job = await started(world)
    path = f"/v1/jobs/{job['job_id']}"
    async with world.client() as client:
        too_early = await client.post(f"{path}/retry")
        await client.post(f"{path}/stop")
        headers = {"idempotency-key": "again"}
        retried = await client.post(f"{path}/retry", headers=headers)
        repeated = await client.post(f"{path}/retry", headers=headers)
    assert too_early.status_code == 409
    assert "only FAILED or STOPPED" in too_early.json()["detail"]
    assert (retried.json()["run"], retried.json()["status"]) == (2, "PULLING")
    assert repeated.json()["run"] == 2


async def test_events_are_streamed_to_the_end_and_resumed() -> None:
    world = World()
    job = await started(world)
    world.clock.advance(seconds=1)
    path = f"/v1/jobs/{job['job_id']}"
    async with world.client() as client:
        await client.post(f"{path}/stop")
        text = (await client.get(f"{path}/events")).text
        events = [block.split("\n") for block in text.strip().split("\n\n")]
        last = next(b[0].removeprefix("id: ") for b in events if '"PULLING"' in b[-1])
        rest = (await client.get(f"{path}/events", headers={"last-event-id": last})).text
    told = [json.loads(b[-1].removeprefix("data: ")) for b in events if "event: status" in b]
    assert [one["status"] for one in told] == ["PENDING", "PULLING", "STOPPED"]
    assert "event: progress" in text
    assert events[-1][0] == "event: end"
    assert "PENDING" not in rest
    assert '"status": "STOPPED"' in rest


async def test_what_the_state_machine_wrote_is_among_the_events() -> None:
    world = World()
    job = await started(world)
    held = await world.bench.jobs.load(job["job_id"])
    entry = {"status": "PREPARING", "run": 1, "at": "2030-01-01T00:00:00.123Z"}
    await world.bench.jobs.note(held, history=[entry])
    events = await world.bench.jobs.events(await world.bench.jobs.load(job["job_id"]))
    assert [one["status"] for one in events] == ["PENDING", "PULLING", "PREPARING"]


async def test_the_log_of_the_training_is_plain_text() -> None:
    world = World()
    job = await started(world)
    world.logs.by_name[f"penstock-{job['job_id']}-1-1"] = ["[0] train-auc:0.9", "[1] train-auc:1"]
    async with world.client() as client:
        answer = await client.get(f"/v1/jobs/{job['job_id']}/logs")
    assert answer.text == "[0] train-auc:0.9\n[1] train-auc:1\n"
    assert answer.headers["content-type"].startswith("text/plain")


async def test_a_prepared_dataset_is_trained_on_again_without_a_pull() -> None:
    world = World()
    job = await started(world)
    unready = make_request(dataset={"id": job["dataset_id"]})
    async with world.client() as client:
        too_early = await client.post("/v1/jobs", json=unready)
        await world.bench.datasets.finish(job["dataset_id"], {"counts": {"train": 7}})
        answer = await client.post("/v1/jobs", json=unready)
        dataset = (await client.get(f"/v1/datasets/{job['dataset_id']}")).json()
    assert "still being prepared" in too_early.json()["detail"][0]["message"]
    assert answer.status_code == 202
    again = answer.json()
    assert again["dataset_id"] == job["dataset_id"]
    assert world.executions.payloads[f"{again['job_id']}-1"]["prepare"] is False
    assert dataset["ready"] is True
    assert dataset["manifest"] == {"counts": {"train": 7}}


async def test_a_pull_that_failed_shows_why() -> None:
    world = World()
    job = await started(world, dataset=make_request()["dataset"] | {"slicing": {"window": "2d"}})
    failed = SliceOutcome(SliceState.FAILED, reason="401 from the source")
    await world.state.distributor.settle(job["job_id"], "000000", failed)
    async with world.client() as client:
        shown = (await client.get(f"/v1/jobs/{job['job_id']}")).json()
    assert (shown["status"], shown["summary"]) == ("FAILED", "Failed")
    assert "401 from the source" in shown["reason"]


async def test_models_are_listed_with_their_champion() -> None:
    world = World()
    job = await started(world)
    for number in ("v1", "v2", "v10"):
        await register(world, number, job["job_id"])
    await world.bench.registry.promote("pump-failure", "v2", at=Micros(1))
    async with world.client("look") as client:
        models = (await client.get("/v1/models")).json()["items"]
        model = (await client.get("/v1/models/pump-failure")).json()
        versions = (await client.get("/v1/models/pump-failure/versions")).json()["items"]
        champion = (await client.get("/v1/models/pump-failure/versions/champion")).json()
        missing = await client.get("/v1/models/fan/versions")
    assert models == [{"model": "pump-failure", "champion": "v2", "versions": ["v1", "v2", "v10"]}]
    assert model == models[0]
    assert [one["version"] for one in versions] == ["v10", "v2", "v1"]
    assert (champion["version"], champion["champion"]) == ("v2", True)
    assert champion["metrics"] == {"pr_auc": 0.8}
    assert missing.status_code == 404


async def test_promoting_what_already_serves_is_done_at_once() -> None:
    world = World()
    version = await register(world, "v1", (await started(world))["job_id"])
    await world.endpoints.ensure_model("m", image="", artefact="")
    config = "penstock-pump-failure-v1"
    await world.endpoints.ensure_config(config, [Variant("v1", "m", "ml.m5.large")])
    await world.endpoints.create(version.endpoint, config)
    world.endpoints.settle(version.endpoint, EndpointStatus.IN_SERVICE)
    async with world.client("rule") as client:
        answer = await client.post("/v1/models/pump-failure/versions/v1/promote")
        shown = (await client.get("/v1/endpoints/pump-failure")).json()
    assert answer.status_code == 200
    assert answer.json()["champion"] is True
    assert shown["sagemaker_name"] == "penstock-pump-failure"
    assert shown["variants"] == [{"name": "v1", "weight": 1.0, "instance_count": 1}]
    assert ("model.promote", "admin") in audit_of(world)


async def test_the_document_shows_the_body_of_a_job() -> None:
    document = World().app().openapi()
    assert "JobBody" in document["components"]["schemas"]
    assert "AssetsBody" in document["components"]["schemas"]
    assert document["paths"]["/v1/jobs"]["post"]["summary"] == "Create Job"
