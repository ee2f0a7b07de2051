"""Steps after the training: judged, registered, deployed."""

import json
from dataclasses import replace

import pytest
from penstock.domain.endpoints import EndpointStatus
from penstock.domain.jobs import JobResult
from penstock.registry import CHAMPION
from training_orchestrator.step import DeployFailed

from tests.unit.training_orchestrator.running import (
    ENDPOINT,
    classify,
    deploying,
    evaluating,
    judged,
    updating,
)
from tests.unit.training_orchestrator.world import World


async def test_a_model_is_judged_on_the_test_rows_and_its_endpoint_goes() -> None:
    world = World()
    job = await judged(world, evaluate={"metric": "roc_auc", "min": 0.9})
    verdict = json.loads(job.verdict or "")
    assert verdict["passed"] is True
    assert verdict["rows"] == 200
    assert verdict["metrics"]["roc_auc"] == pytest.approx(1.0)
    assert world.endpoints.endpoints == {}


async def test_scoring_goes_on_where_the_last_visit_was() -> None:
    world = World()
    job = await evaluating(world)
    asked: list[int] = []

    def slow(body: bytes) -> bytes:
        asked.append(len(body.splitlines()))
        return classify(body)

    world.on_invoke[world.bench.evaluation_name(job)] = slow
    rows = b"".join(b"%d,%d,1\n" % (n % 2, n % 2) for n in range(1_200))
    await world.objects.put(f"datasets/{job.dataset_id}/test/part-0.csv", rows)
    world.bench = replace(
        world.bench, settings=world.settings.model_copy(update={"scoring_seconds": 0.0})
    )
    visits = 1
    while (await world.do(job, "evaluate_model")).state != "done":
        visits += 1
    assert asked == [500, 500, 200]
    assert visits == 4


async def test_a_model_below_the_gate_is_registered_and_not_deployed() -> None:
    world = World()
    world.on_invoke["worse"] = classify
    job = await judged(world, evaluate={"metric": "log_loss", "max": 0.0001})
    answer = await world.do(job, "create_model")
    assert (answer.state, answer.result) == ("done", JobResult.REJECTED_BY_GATE)
    assert "is above 0.0001" in answer.reason
    version = await world.bench.registry.get("pump-failure", "v1")
    assert version.job_id == job.job_id
    assert json.loads(version.metrics)["log_loss"] > 0.0001
    assert version.trained_to == 1_793_577_600_000_000
    assert "penstock-pump-failure-v1" in world.endpoints.models


async def test_a_model_that_is_only_to_be_registered_is() -> None:
    world = World()
    job = await judged(world, rollout={"strategy": "register_only"})
    answer = await world.do(job, "create_model")
    assert (answer.state, answer.result) == ("done", JobResult.REGISTERED)


async def test_versions_count_up_and_a_repeat_keeps_its_number() -> None:
    world = World()
    first = await judged(world)
    for _ in range(2):
        await world.do(first, "create_model")
    world.clock.advance(seconds=60)
    await world.do(await judged(world), "create_model")
    numbers = [v.version async for v in world.bench.registry.versions("pump-failure")]
    assert numbers == ["v1", "v2"]
    versions, _ = await world.bench.registry.all()
    assert len(versions) == 2


async def test_a_new_endpoint_serves_the_version_and_makes_it_champion() -> None:
    world = World()
    job = await deploying(world)
    assert (await world.do(job, "deploy_endpoint")).state == "pending"
    assert (await world.do(job, "deploy_endpoint")).state == "pending"
    world.endpoints.settle(ENDPOINT, EndpointStatus.IN_SERVICE)
    answer = await world.do(job, "deploy_endpoint")
    assert (answer.state, answer.result) == ("done", JobResult.DEPLOYED)
    assert [v.name for v in world.endpoints.endpoints[ENDPOINT].variants] == ["v1"]
    assert (await world.bench.registry.get("pump-failure", CHAMPION)).version == "v1"


async def test_the_next_version_takes_over_and_the_old_configuration_is_kept() -> None:
    world = World()
    job = await updating(world)
    await world.do(job, "deploy_endpoint")
    assert world.endpoints.endpoints[ENDPOINT].status is EndpointStatus.UPDATING
    world.endpoints.settle(ENDPOINT, EndpointStatus.IN_SERVICE)
    assert (await world.do(job, "deploy_endpoint")).result is JobResult.DEPLOYED
    assert (await world.bench.registry.get("pump-failure", CHAMPION)).version == "v2"
    assert "penstock-pump-failure-v1" in world.endpoints.configs


async def test_in_service_with_another_configuration_is_a_rollback() -> None:
    world = World()
    job = await updating(world)
    await world.do(job, "deploy_endpoint")
    world.endpoints.settle(ENDPOINT, EndpointStatus.IN_SERVICE, fails="the container did not ping")
    for _ in range(2):  # a repeat finds the same end
        answer = await world.do(job, "deploy_endpoint")
        assert (answer.state, answer.result) == ("done", JobResult.ROLLED_BACK)
        assert "the container did not ping" in answer.reason
    assert (await world.bench.registry.get("pump-failure", CHAMPION)).version == "v1"


async def test_a_first_endpoint_that_fails_fails_the_job_and_the_next_one_makes_it_anew() -> None:
    world = World()
    job = await deploying(world)
    await world.do(job, "deploy_endpoint")
    world.endpoints.settle(ENDPOINT, EndpointStatus.FAILED, fails="no capacity")
    with pytest.raises(DeployFailed, match="no capacity"):
        await world.do(job, "deploy_endpoint")
    await world.do(job, "clean_up")
    world.clock.advance(seconds=60)
    second = await deploying(world)
    assert "made anew" in (await world.do(second, "deploy_endpoint")).reason
    await world.do(second, "deploy_endpoint")
    world.endpoints.settle(ENDPOINT, EndpointStatus.IN_SERVICE)
    assert (await world.do(second, "deploy_endpoint")).result is JobResult.DEPLOYED


async def test_an_endpoint_that_never_stops_changing_counts_as_stuck() -> None:
    world = World()
    job = await deploying(world)
    await world.do(job, "deploy_endpoint")
    world.clock.advance(seconds=1_801)
    with pytest.raises(DeployFailed, match="Creating for 30 min"):
        await world.do(job, "deploy_endpoint")


async def test_one_change_of_an_endpoint_at_a_time() -> None:
    world = World()
    first = await deploying(world)
    await world.do(first, "deploy_endpoint")
    second = await deploying(world)
    waiting = await world.do(second, "deploy_endpoint")
    assert waiting.state == "pending"
    assert f"being changed by job {first.job_id} run 1" in waiting.reason
    world.endpoints.settle(ENDPOINT, EndpointStatus.IN_SERVICE)
    await world.do(first, "deploy_endpoint")
    await world.do(first, "clean_up")
    await world.do(second, "deploy_endpoint")
    assert world.endpoints.asked[ENDPOINT] == "penstock-pump-failure-v2"


async def test_a_challenger_is_judged_against_the_champion_on_the_same_rows() -> None:
    world = World()
    await updating(world)
    world.clock.advance(seconds=60)
    job = await judged(world, evaluate={"metric": "pr_auc", "beat_champion_by": 0.01})
    verdict = json.loads(job.verdict or "")
    assert verdict["champion"] == "v1"
    assert verdict["champion_metrics"]["pr_auc"] == pytest.approx(1.0)
    assert verdict["passed"] is False
    assert "does not beat champion v1's" in verdict["reason"]
