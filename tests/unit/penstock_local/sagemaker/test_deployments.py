from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_local.sagemaker.deployments import plan_deployment, retain_properties, reweigh
from penstock_local.sagemaker.fleet import choose_variant
from penstock_local.sagemaker.records import Deployment, EndpointConfig, Model
from penstock_local.sagemaker.variant import restart_delay


def a_model(name: str, **container: Any) -> Model:
    content = {"Image": "xgboost:1", "ModelDataUrl": f"s3://models/{name}.tar.gz"} | container
    return Model(name=name, arn="arn", request={"PrimaryContainer": content}, created_at=1.0)


def a_deployment(*variants: dict[str, Any], **request: Any) -> Deployment:
    entries = [{"ModelName": "m", "InitialInstanceCount": 1} | variant for variant in variants]
    config = EndpointConfig(
        name="config",
        arn="arn",
        request={"ProductionVariants": entries, **request},
        created_at=1.0,
    )
    return plan_deployment(config, {"m": a_model("m")}, deployment_id="d1", at=2.0)


def plans(deployment: Deployment) -> dict[str, tuple[float, int | None]]:
    return {plan.name: (plan.weight, plan.instance_count) for plan in deployment.variants}


def test_variant_without_a_weight_weighs_one() -> None:
    deployment = a_deployment({"VariantName": "a"}, {"VariantName": "b", "InitialVariantWeight": 0})

    assert plans(deployment) == {"a": (1.0, 1), "b": (0, 1)}


def test_plan_holds_all_that_serving_needs_without_the_model() -> None:
    [plan] = a_deployment({"VariantName": "a"}).variants

    assert (plan.image, plan.model_url) == ("xgboost:1", "s3://models/m.tar.gz")
    assert not plan.model_is_prefix


def test_retained_properties_win_for_variants_of_the_same_name() -> None:
    live = a_deployment(
        {"VariantName": "a", "InitialVariantWeight": 9, "InitialInstanceCount": 4},
        {"VariantName": "gone"},
    )
    planned = a_deployment({"VariantName": "a"}, {"VariantName": "new"})

    assert plans(retain_properties(planned, live, excluded=())) == {"a": (9, 4), "new": (1.0, 1)}
    excluded = {"DesiredWeight"}
    assert plans(retain_properties(planned, live, excluded=excluded))["a"] == (1.0, 4)
    excluded = {"DesiredInstanceCount"}
    assert plans(retain_properties(planned, live, excluded=excluded))["a"] == (9, 1)


def test_data_capture_is_retained_unless_excluded() -> None:
    live = a_deployment({"VariantName": "a"}, DataCaptureConfig={"EnableCapture": True})
    planned = a_deployment({"VariantName": "a"})

    assert retain_properties(planned, live, excluded=()).data_capture == {"EnableCapture": True}
    excluded = {"DataCaptureConfig"}
    assert retain_properties(planned, live, excluded=excluded).data_capture is None


def test_reweighing_leaves_what_is_not_named() -> None:
    current = a_deployment({"VariantName": "a", "InitialInstanceCount": 3}, {"VariantName": "b"})

    changed = reweigh(current, {"a": {"DesiredWeight": 0.25}, "b": {"DesiredInstanceCount": 2}})

    assert plans(changed) == {"a": (0.25, 3), "b": (1.0, 2)}


@pytest.mark.parametrize(
    ("draw", "chosen"), [(0.0, "a"), (0.79, "a"), (0.8, "b"), (0.999_999, "b")]
)
def test_draw_falls_into_the_share_of_its_variant(draw: float, chosen: str) -> None:
    assert choose_variant([("a", 0.8), ("b", 0.2)], draw) == chosen


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
)
def test_variant_without_weight_is_never_chosen_beside_one_with(
    weights: list[float], draw: float
) -> None:
    named = [(str(index), weight) for index, weight in enumerate(weights)]

    chosen = choose_variant(named, draw)

    assert dict(named)[chosen] > 0 or sum(weights) == 0


def test_variants_that_all_weigh_nothing_are_alike() -> None:
    nothing = [("a", 0.0), ("b", 0.0)]

    assert [choose_variant(nothing, draw) for draw in (0.1, 0.9)] == ["a", "b"]


def test_restarts_wait_longer_each_time_up_to_half_a_minute() -> None:
    assert [restart_delay(failures) for failures in (0, 1, 2, 50)] == [0.5, 1.0, 2.0, 30.0]
