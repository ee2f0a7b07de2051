from typing import Any

import pytest
from penstock.domain.time import HOUR
from training_orchestrator.faults import FaultyBody
from training_orchestrator.jobs_store import body_of

from tests.unit.training_orchestrator.factories import make_request
from tests.unit.training_orchestrator.world import World

TEMP = [{"name": "temp", "tag": "TEMP"}]


def with_dataset(**parts: Any) -> dict[str, Any]:
    return make_request(dataset={**make_request()["dataset"], **parts})


async def faults_of(request: dict[str, Any]) -> dict[str, str]:
    world = World()
    await world.add_source()
    with pytest.raises(FaultyBody) as refused:
        await world.state.acceptance.check(request)
    return {fault.path: fault.message for fault in refused.value.faults}


async def paths_of(**dataset: Any) -> list[str]:
    world = World()
    await world.add_source()
    accepted = await world.state.acceptance.check(with_dataset(**dataset))
    return list(accepted.dataset.to_domain().pull.tags)


async def test_every_default_is_filled_in() -> None:
    job = await World().accepted()
    body = body_of(job)
    assert body.algorithm == "xgboost"
    assert body.rollout.endpoint == "pump-failure"
    assert body.train.stop.max_runtime == 2 * HOUR
    assert body.evaluate.metric == "pr_auc"
    assert '"from":"2026-11-01T00:00:00.000000Z"' in job.body
    assert '"every":"1m"' in job.body


async def test_tags_follow_the_pattern() -> None:
    features = [{"name": "temp", "tag": "TEMP"}]
    frame = {"every": "1m", "features": features}
    assert await paths_of(frame=frame) == [
        "/SITE01/P-101/TEMP", "/SITE01/P-101/FAILURE",
        "/SITE01/P-102/TEMP", "/SITE01/P-102/FAILURE",
    ]  # fmt: skip
    names = {"names": ["P-101", "P-117"], "exclude": ["P-117"]}
    assert await paths_of(frame=frame, assets=names) == ["/P-101/TEMP", "/P-101/FAILURE"]
    sited = {**names, "sites": ["SITE02"]}
    assert (await paths_of(frame=frame, assets=sited))[0] == "/SITE02/P-101/TEMP"
    one = {"prefix": "/AI4I/M1"}
    assert await paths_of(frame=frame, assets=one) == ["/AI4I/M1/TEMP", "/AI4I/M1/FAILURE"]
    by_hand = {"tags": {"P-101": {"TEMP": "/OLD/T4711", "FAILURE": "/OLD/F1"}}}
    assert await paths_of(frame=frame, assets=by_hand) == ["/OLD/T4711", "/OLD/F1"]
    assert await paths_of(frame=frame, assets=None) == ["TEMP", "FAILURE"]
    several = {"prefixes": {"P-1": "/A/P-1", "P-2": "/B/P-2"}}
    assert (await paths_of(frame=frame, assets=several))[2] == "/B/P-2/TEMP"


async def test_one_prefix_names_its_asset_by_its_last_part() -> None:
    world = World()
    await world.add_source()
    accepted = await world.state.acceptance.check(with_dataset(assets={"prefix": "/AI4I/M1"}))
    assert {tag.asset for tag in accepted.dataset.to_domain().tags} == {"M1"}


async def test_all_faults_are_told_at_once() -> None:
    request = with_dataset(
        source="n3uron-site99",
        range={"from": "2026-11-03T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
        split={"train": 0.9, "test": 0.2},
    )
    request |= {
        "model": "no good name",
        "train": {"algorithm": "xgboost", "instance": {"type": "ml.p5.48xlarge"}},
        "evaluate": {"metric": "log_loss", "min": 0.5},
        "rollout": {"strategy": "canary", "approval": "manual"},
        "speed": "fast",
    }
    faults = await faults_of(request)
    assert set(faults) == {
        "model", "dataset.range", "dataset.split", "train.instance.type", "evaluate",
        "rollout.strategy", "rollout.approval", "speed",
    }  # fmt: skip
    assert faults["rollout.strategy"].startswith("strategy `canary` is not supported yet")
    assert "ml.m5.xlarge" in faults["train.instance.type"]
    assert "write `max`" in faults["evaluate"]


@pytest.mark.parametrize(
    ("parts", "path", "message"),
    [
        ({"label": {"outcome": "failure", "within": "24h"}}, "label", "outcomes are not supported"),
        ({"target": {"tag": "PM25", "horizon": 24}}, "target", "forecasts"),
        ({"assets": {"type": "pump"}}, "assets.type", "list them under dataset.assets.names"),
        ({"source": "n3uron-site99"}, "source", "PUT /v1/sources/n3uron-site99"),
        ({"label": {"tag": "TEMP"}}, "", "the model would only copy it"),
        ({"slicing": {"window": "1s"}}, "", "slices are more than 100,000"),
        ({"assets": {"names": ["P-1"], "prefix": "/A", "prefixes": {"B": "/B"}}}, "assets", "one"),
        ({"assets": {}}, "assets", "name the assets"),
        ({"assets": {"names": ["P-1"], "exclude": ["P-1"]}}, "assets", "leaves no asset"),
        (
            {"assets": {"tags": {"P-1": {"TEMP": "/T1"}}}}, "",
            "asset P-1 lists no tag for FAILURE, VIBRATION",
        ),
        ({"frame": {"mode": "sequence"}}, "frame", "mode `sequence`"),
        ({"frame": {"mode": "window", "features": TEMP}}, "frame", "samples"),
        ({"frame": {"features": []}}, "frame", "at least one feature"),
        (
            {"frame": {"features": [{"name": "t", "tag": "A"}, {"name": "t", "tag": "B"}]}},
            "frame", "t stands twice",
        ),
        ({"range": {"from": "2026-11-01T00:00:00", "to": "2026-11-02T00:00:00Z"}}, "range.from",
         "has no zone"),
        ({"label": None}, "label", "xgboost needs one"),
    ],
)  # fmt: skip
async def test_a_fault_names_its_path_and_what_to_do(
    parts: dict[str, Any], path: str, message: str
) -> None:
    request = {**with_dataset(**parts), "train": {"algorithm": "xgboost"}}
    faults = await faults_of(request)
    where = f"dataset.{path}" if path else "dataset"
    assert message in faults[where]


@pytest.mark.parametrize(
    ("part", "path", "message"),
    [
        ({"train": {"algorithm": "forecasting-deepar"}}, "train.algorithm", "randomcutforest, xgb"),
        ({"train": {"hyperparameters": {"rounds": 3}}}, "train.hyperparameters", "no rounds"),
        (
            {"train": {"stop": {"when": "validation:logloss > 0.9"}}},
            "train.stop.when",
            "max_runtime",
        ),
        ({"train": {"algorithm": "randomcutforest"}}, "dataset.label", "leave it out"),
        ({"evaluate": {"calibrate": "isotonic"}}, "evaluate.calibrate", "not supported yet"),
        ({"dataset": {"id": "ds_01kafzcf00000000000000000a"}}, "dataset.id", "no dataset"),
        ({"dataset": "all of it"}, "dataset", "valid"),
    ],
)
async def test_other_parts_are_checked_too(part: dict[str, Any], path: str, message: str) -> None:
    assert message in (await faults_of(make_request(**part)))[path]


async def test_anomalies_need_no_label_and_take_no_gate() -> None:
    request = with_dataset(
        label=None,
        frame={"mode": "window", "samples": 48, "features": [{"name": "temp", "tag": "TEMP"}]},
    )
    assert await faults_of({**request, "evaluate": {"min": 0.5}}) == {
        "evaluate.min": "there is no label to judge by; leave it out"
    }
    world = World()
    await world.add_source()
    accepted = await world.state.acceptance.check(request)
    assert accepted.body.algorithm == "randomcutforest"
