import httpx
import pytest
from penstock_client.smoke.running import Outcome

from tests.unit.penstock_client.smoke.deployment import (
    NAMES,
    NOON,
    PUMP_MODEL,
    FakeClock,
    FakeDeployment,
    scene_at,
)


def failed(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = [outcome for outcome in outcomes if outcome.failed]
    return outcome


def test_a_healthy_deployment_passes_and_nothing_is_left() -> None:
    deployment = FakeDeployment()
    outcomes = list(scene_at(deployment).run())
    assert not [outcome for outcome in outcomes if outcome.failed]
    assert outcomes[-1].step == "cleaned up"
    assert outcomes[-1].seen == "3 removed"
    assert deployment.left == set()
    assert {reading["tag"] for reading in deployment.sent} == set(NAMES.loose)


def test_with_a_model_a_frame_is_predicted_and_read_back() -> None:
    deployment = FakeDeployment()
    outcomes = list(scene_at(deployment, model="pump-failure").run())
    assert not [outcome for outcome in outcomes if outcome.failed]
    seen = {outcome.step: outcome.seen for outcome in outcomes}
    assert seen["a frame is predicted"] == "value 0.5 by version v3"
    assert deployment.left == set()
    scan = {r["tag"].rpartition("/")[2]: r["value"] for r in deployment.sent[3:5]}
    assert scan == {"TEMP": 1.0, "STATE": "on"}


def test_a_wrong_token_is_told_and_what_to_do() -> None:
    outcomes = list(scene_at(FakeDeployment(), token="wrong").run())
    assert [outcome.failed for outcome in outcomes] == [True, False]
    assert "no such token" in outcomes[0].seen
    assert "PENSTOCK_API_TOKENS" in outcomes[0].advice
    assert outcomes[1].seen == "nothing was made"


def test_an_address_where_nobody_answers_is_told() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    outcomes = list(scene_at(refuse).run())
    assert "check the profile's url" in failed(outcomes).advice


def test_a_door_that_opens_to_strangers_ends_the_test() -> None:
    outcome = failed(list(scene_at(FakeDeployment(opens_to_anybody=True)).run()))
    assert outcome.step == "strangers are refused"
    assert "Stop" in outcome.advice


def test_a_step_that_waits_in_vain_ends_after_its_patience_and_cleans_up() -> None:
    deployment, clock = FakeDeployment(lists_tags=False), FakeClock()
    outcomes = list(scene_at(deployment, clock=clock, seconds=30).run())
    outcome = failed(outcomes)
    assert outcome.step == "readings are archived, their tags listed"
    assert "not within 30 s" in outcome.seen
    assert "results-writer" in outcome.advice
    assert outcome.seconds == pytest.approx(30, abs=1)
    assert outcomes[-1].seen == "3 removed"
    assert deployment.left == set()


def test_a_model_that_is_never_asked_is_told_with_where_to_look() -> None:
    deployment = FakeDeployment(predicts=False)
    outcome = failed(list(scene_at(deployment, model="pump-failure").run()))
    assert outcome.step == "a frame is predicted"
    assert "inference-worker" in outcome.advice
    assert deployment.left == set()


def test_rejected_readings_fail_the_step() -> None:
    outcome = failed(list(scene_at(FakeDeployment(rejects=1)).run()))
    assert outcome.step == "readings are accepted"
    assert "'rejected_count': 1" in outcome.seen


def test_a_load_balancer_without_targets_is_told_as_such() -> None:
    deployment = FakeDeployment(down=lambda request: request.url.path == "/v1/readings")
    clock = FakeClock()
    scene = scene_at(deployment, clock=clock, seconds=5)
    # The sender's own patience goes by the real clock: let it end at once.
    scene.patience = type(scene.patience)(0.0, now=clock.now, wait=clock.wait)
    outcome = failed(list(scene.run()))
    assert outcome.step == "readings are accepted"
    assert "no healthy target" in outcome.advice


def test_a_frame_that_cannot_be_filled_is_told_before_anything_is_bound() -> None:
    deployment = FakeDeployment(model={**PUMP_MODEL, "frame": {"mode": "sequence", "samples": 48}})
    outcome = failed(list(scene_at(deployment, model="pump-failure").run()))
    assert "sequence" in outcome.seen
    assert deployment.left == set()


def test_what_a_killed_smoke_test_left_is_removed_and_nothing_else() -> None:
    old = "smoke-20261128t110000z-ffffff"
    young = "smoke-20261128t115900z-eeeeee"
    others = {"smoke", "smoke-signals", "gw-7", "smoke-20261128t110000z-FFFFFF"}
    deployment = FakeDeployment(
        gateways={old, young, *others}, asset_types={old}, assets={old, "P-101"}, bindings={old}
    )
    gone = "smoke-20261128t100000z-dddddd"
    deployment.newest = [{"asset": gone}, {"asset": "P-101"}]
    deployment.discovered = [(gone, "/SMOKE/A"), ("gw-7", "/SITE01/X")]
    outcomes = list(scene_at(deployment).run())
    seen = {outcome.step: outcome.seen for outcome in outcomes}
    assert seen["what killed smoke tests left"] == "6 removed"
    assert deployment.gateways == {young, *others}
    assert deployment.newest == [{"asset": "P-101"}]
    assert deployment.discovered == [("gw-7", "/SITE01/X")]
    assert deployment.left == {young, "P-101", *others}


def test_who_gives_up_in_the_middle_leaves_nothing() -> None:
    deployment = FakeDeployment()

    def give_up(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/readings":
            raise KeyboardInterrupt
        return deployment(request)

    with pytest.raises(KeyboardInterrupt):
        list(scene_at(give_up).run())
    assert deployment.left == set()


def test_cleaning_tries_everything_even_if_one_removal_fails() -> None:
    deployment = FakeDeployment()

    def stubborn(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE" and request.url.path.startswith("/v1/assets/"):
            return httpx.Response(409, json={"error": "Conflict", "detail": "in use"})
        return deployment(request)

    outcome = failed(list(scene_at(stubborn).run()))
    assert outcome.step == "cleaned up"
    assert deployment.gateways == set()
    assert deployment.assets == {NAMES.name}


def test_a_prediction_of_another_time_is_not_taken_for_ours() -> None:
    deployment = FakeDeployment()
    scene = scene_at(deployment, model="pump-failure")
    deployment.predicts = False
    at = NOON.replace(year=2025).isoformat()
    item = {"asset": NAMES.name, "event_time": at, "model": "pump-failure", "value": 1}
    deployment.predictions = deployment.newest = [item]
    assert "when nothing was sent" in failed(list(scene.run())).seen
