import string
from typing import Any

import pytest
from botocore.model import StructureShape
from hypothesis import given
from hypothesis import strategies as st
from penstock_local.sagemaker.service_model import ServiceModels, load_service_models
from penstock_local.sagemaker.validation import find_faults, require_valid
from penstock_local.sagemaker.wire import ServiceError

_MODELS = load_service_models()

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4)
    ),
    max_leaves=12,
)
names = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=63).filter(
    lambda text: not text.startswith("-") and not text.endswith("-")
)


def shape(operation: str) -> StructureShape:
    found = _MODELS.control_operation(operation).input_shape
    assert isinstance(found, StructureShape)
    return found


VERDICTS = {"good", "ValidationException", "SerializationException"}


def verdict(operation: str, value: object) -> str:
    try:
        require_valid(shape(operation), value)
    except ServiceError as error:
        return error.code
    return "good"


def faults(operation: str, value: object) -> list[str]:
    return list(find_faults(shape(operation), value))


def a_config(**changes: Any) -> dict[str, Any]:
    variant = {
        "VariantName": "main",
        "ModelName": "pump-failure-3",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    return {"EndpointConfigName": "pump-failure", "ProductionVariants": [variant | changes]}


def test_a_good_request_has_no_fault() -> None:
    assert faults("CreateEndpointConfig", a_config(InitialVariantWeight=0.5)) == []


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"VariantName": None}, "Member must not be null"),
        ({"VariantName": "x" * 64}, "Member must have length less than or equal to 63"),
        ({"VariantName": "no spaces"}, "Member must satisfy regular expression pattern: "),
        ({"InstanceType": "ml.moon"}, "Member must satisfy enum value set: [ml.t2.medium, "),
        ({"InitialInstanceCount": 0}, "Member must have value greater than or equal to 1"),
        ({"InitialVariantWeight": -1}, "Member must have value greater than or equal to 0"),
        ({"VolumeSizeInGB": 513}, "Member must have value less than or equal to 512"),
    ],
)
def test_every_kind_of_constraint_is_named(changes: dict[str, Any], constraint: str) -> None:
    [fault] = faults("CreateEndpointConfig", a_config(**changes))

    member = next(iter(changes))
    path = f"productionVariants.1.member.{member[:1].lower()}{member[1:]}"
    assert f"at '{path}' failed to satisfy constraint: {constraint}" in fault


def test_lists_and_maps_are_held_to_their_length() -> None:
    [too_many] = faults("CreateModel", {"ModelName": "m", "Containers": [{}] * 16})
    [too_few] = faults("DeleteTags", {"ResourceArn": an_arn(), "TagKeys": []})

    assert "length less than or equal to 15" in too_many
    assert "length greater than or equal to 1" in too_few


def an_arn() -> str:
    return "arn:aws:sagemaker:eu-west-1:000000000000:model/pump-failure"


def test_map_keys_and_values_have_paths() -> None:
    container = {"Image": "xgboost:1", "Environment": {"not a name": "x"}}

    [fault] = faults("CreateModel", {"ModelName": "m", "PrimaryContainer": container})

    assert "Value 'not a name' at 'primaryContainer.environment.key'" in fault


@pytest.mark.parametrize(
    "value",
    [
        [],
        a_config(InitialInstanceCount="1"),
        a_config(InitialInstanceCount=True),
        a_config(InitialInstanceCount=1.5),
        a_config(VariantName=7),
        {"EndpointConfigName": "c", "ProductionVariants": {}},
    ],
)
def test_wrong_types_are_a_serialization_fault(value: object) -> None:
    with pytest.raises(ServiceError) as refused:
        require_valid(shape("CreateEndpointConfig"), value)

    assert refused.value.code == "SerializationException"


def test_whole_floats_pass_for_integers() -> None:
    assert faults("CreateEndpointConfig", a_config(InitialInstanceCount=2.0)) == []


def test_all_faults_share_one_message() -> None:
    request = a_config(VariantName=None, InitialInstanceCount=0)

    with pytest.raises(ServiceError, match="2 validation errors detected") as refused:
        require_valid(shape("CreateEndpointConfig"), request)

    assert (refused.value.message or "").count("failed to satisfy constraint") == 2


@pytest.mark.parametrize("value", ["Größe 1", "line=2/a:b", "température", ""])
def test_tags_take_letters_of_any_language(value: str) -> None:
    request = {"ResourceArn": an_arn(), "Tags": [{"Key": "plant", "Value": value}]}

    assert faults("AddTags", request) == []


def test_tags_refuse_what_no_tag_may_hold() -> None:
    request = {"ResourceArn": an_arn(), "Tags": [{"Key": "plant", "Value": "a;b"}]}

    assert faults("AddTags", request)


@given(names)
def test_every_plain_name_is_accepted(name: str) -> None:
    assert faults("DescribeTrainingJob", {"TrainingJobName": name}) == []


@given(anything)
def test_no_input_breaks_the_walk(value: object) -> None:
    """Whatever a client sends is judged, or refused as the wrong type; nothing else is raised."""
    for operation in ("CreateTrainingJob", "CreateEndpointConfig", "AddTags"):
        assert verdict(operation, value) in VERDICTS


@given(st.dictionaries(st.sampled_from(sorted(shape("CreateTrainingJob").members)), anything))
def test_no_member_breaks_the_walk(request_: dict[str, object]) -> None:
    assert verdict("CreateTrainingJob", request_) in VERDICTS


def test_headers_of_an_invocation_are_held_to_the_runtimes_model() -> None:
    models: ServiceModels = _MODELS
    good = {"EndpointName": "pump-failure", "Body": b"", "InferenceId": "p-1", "Accept": "*/*"}

    assert list(find_faults(models.invocation_shape, good)) == []
    assert list(find_faults(models.invocation_shape, good | {"InferenceId": " leading blank"}))
    assert list(find_faults(models.invocation_shape, good | {"CustomAttributes": "Größe"}))


def test_unknown_operations_are_named() -> None:
    with pytest.raises(ServiceError, match="CreateWeather") as refused:
        _MODELS.control_operation("CreateWeather")

    assert refused.value.code == "UnknownOperationException"
