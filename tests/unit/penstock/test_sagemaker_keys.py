import pytest
from botocore.exceptions import ClientError
from penstock.adapters.sagemaker import SageMakerEndpoints, SageMakerTrainings
from penstock.domain.endpoints import TrainingOrder, Variant
from penstock.domain.time import SECOND, Micros

KEY = "arn:aws:kms:eu-central-1:111122223333:key/0f1e2d3c"
ROLE = "arn:aws:iam::111122223333:role/penstock"


class RecordingSageMaker:
    """Knows no name, and takes every request."""

    def __init__(self) -> None:
        self.requests: list[dict[str, object]] = []

    async def create_training_job(self, **request: object) -> None:
        self.requests.append(request)

    async def describe_endpoint_config(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "ValidationException"}}, "DescribeEndpointConfig")

    async def create_endpoint_config(self, **request: object) -> None:
        self.requests.append(request)


def _order(instance_type: str) -> TrainingOrder:
    return TrainingOrder(
        name="penstock-j1-1-1", image="xgboost:1", channels=(), output_uri="s3://b/out",
        hyperparameters={}, metric_patterns={}, instance_type=instance_type, instance_count=1,
        volume_gb=30, max_runtime=Micros(3600 * SECOND),
    )  # fmt: skip


async def _training(instance_type: str, key: str | None) -> dict[str, object]:
    client = RecordingSageMaker()
    await SageMakerTrainings(client, ROLE, key_arn=key).start(_order(instance_type))
    return client.requests[0]


async def _config(instance_type: str, key: str | None) -> dict[str, object]:
    client = RecordingSageMaker()
    variant = Variant("v1", "m", instance_type, 1, 1.0)
    await SageMakerEndpoints(client, ROLE, key_arn=key).ensure_config("c", [variant])
    return client.requests[0]


@pytest.mark.parametrize("instance_type", ["ml.m5.xlarge", "ml.c6i.large", "ml.r5.2xlarge"])
async def test_volumes_and_artefacts_are_under_the_key(instance_type: str) -> None:
    training = await _training(instance_type, KEY)
    assert training["ResourceConfig"]["VolumeKmsKeyId"] == KEY  # type: ignore[index]  # a request
    assert training["OutputDataConfig"]["KmsKeyId"] == KEY  # type: ignore[index]  # a request
    assert (await _config(instance_type, KEY))["KmsKeyId"] == KEY


@pytest.mark.parametrize("instance_type", ["ml.m5d.xlarge", "ml.g5.xlarge", "ml.p4d.24xlarge"])
async def test_disks_of_the_machine_itself_get_no_key(instance_type: str) -> None:
    """SageMaker refuses a request that names one for them."""
    training = await _training(instance_type, KEY)
    assert "VolumeKmsKeyId" not in training["ResourceConfig"]  # type: ignore[operator]  # a request
    assert training["OutputDataConfig"]["KmsKeyId"] == KEY  # type: ignore[index]  # a request
    assert "KmsKeyId" not in await _config(instance_type, KEY)


async def test_without_a_key_nothing_is_said_of_one() -> None:
    assert "Kms" not in str(await _training("ml.m5.large", None))
    assert "Kms" not in str(await _config("ml.m5.large", None))
