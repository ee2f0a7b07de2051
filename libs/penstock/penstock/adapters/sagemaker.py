"""SageMaker's control plane: trainings, models, endpoint configurations and endpoints.

SageMaker says `ValidationException` both of bad input and of a name that is missing or in use, and
AWS does not promise the texts, so whoever makes something looks for its name first, and again when
it was refused.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from penstock.adapters.aws import AWS_ERRORS, error_code, unavailable
from penstock.domain.endpoints import (
    Endpoint,
    EndpointStatus,
    Training,
    TrainingOrder,
    TrainingStatus,
    Variant,
)
from penstock.domain.errors import Conflict, EndpointUnavailable, InvalidInput
from penstock.domain.time import SECOND, Micros, to_micros

T = TypeVar("T")
_Call = Callable[[], Awaitable[Any]]

_OWN_DISKS = re.compile(r"^ml\.(?:[a-z]+\d+[a-z]*d[a-z]*|g[456]|p[3-6]d?[a-z]*|trn\d|inf\d)\.")
_MISSING = frozenset({"ValidationException", "ResourceNotFound"})
_REFUSED = frozenset(
    {"ValidationException", "ResourceInUse", "ResourceLimitExceeded", "ConflictException"}
)


class SageMakerTrainings:
    """Training jobs."""

    def __init__(self, client: Any, role_arn: str, *, key_arn: str | None = None) -> None:
        """Keep the role that a training acts in, and the key of its volumes and artefacts."""
        self._client = client
        self._role_arn = role_arn
        self._key_arn = key_arn

    async def start(self, order: TrainingOrder) -> None:
        """Start a training; raise Conflict where its name is in use, InvalidInput if refused."""
        try:
            await self._client.create_training_job(
                **_training_request(order, self._role_arn, self._key_arn)
            )
        except AWS_ERRORS as error:
            if error_code(error) == "ResourceInUse":
                raise Conflict(f"training {order.name} exists already") from error
            raise _translated(error, f"starting training {order.name}") from error

    async def describe(self, name: str) -> Training | None:
        """Tell how a training stands."""
        answer = await _found(self._client.describe_training_job(TrainingJobName=name))
        return _training(answer) if answer is not None else None

    async def stop(self, name: str) -> None:
        """Ask a training to stop; one that is over refuses, which is as good."""
        try:
            await self._client.stop_training_job(TrainingJobName=name)
        except AWS_ERRORS as error:
            if error_code(error) not in _MISSING:
                raise unavailable(error, f"stopping training {name}") from error


class SageMakerEndpoints:
    """Models, endpoint configurations and endpoints."""

    def __init__(self, client: Any, role_arn: str, *, key_arn: str | None = None) -> None:
        """Keep the role that a model acts in, and the key of its instances' volumes."""
        self._client = client
        self._role_arn = role_arn
        self._key_arn = key_arn

    async def ensure_model(self, name: str, *, image: str, artefact: str) -> None:
        """Make a model of an artefact; one of that name is adopted."""
        await _ensured(
            partial(self._client.describe_model, ModelName=name),
            partial(
                self._client.create_model,
                ModelName=name,
                ExecutionRoleArn=self._role_arn,
                PrimaryContainer={"Image": image, "ModelDataUrl": artefact},
            ),
            f"making model {name}",
        )

    async def ensure_config(self, name: str, variants: Sequence[Variant]) -> None:
        """Make an endpoint configuration; one of that name is adopted."""
        await _ensured(
            partial(self._client.describe_endpoint_config, EndpointConfigName=name),
            partial(
                self._client.create_endpoint_config,
                EndpointConfigName=name,
                ProductionVariants=[_variant_request(variant) for variant in variants],
                **_volume_key(self._key_arn, [one.instance_type for one in variants], "KmsKeyId"),
            ),
            f"making endpoint configuration {name}",
        )

    async def describe(self, name: str) -> Endpoint | None:
        """Tell how an endpoint stands."""
        answer = await _found(self._client.describe_endpoint(EndpointName=name))
        return _endpoint(answer) if answer is not None else None

    async def create(self, name: str, config: str) -> None:
        """Make an endpoint; one that exists is left as it is."""
        await _ensured(
            partial(self._client.describe_endpoint, EndpointName=name),
            partial(self._client.create_endpoint, EndpointName=name, EndpointConfigName=config),
            f"making endpoint {name}",
        )

    async def update(self, name: str, config: str) -> None:
        """Give an endpoint another configuration, keeping live weights and counts."""
        try:
            await self._client.update_endpoint(
                EndpointName=name, EndpointConfigName=config, RetainAllVariantProperties=True
            )
        except AWS_ERRORS as error:
            endpoint = await self.describe(name)
            if endpoint is not None and endpoint.status.is_changing:
                raise Conflict(f"endpoint {name} is being changed already") from error
            raise _translated(error, f"updating endpoint {name}") from error

    async def remove(self, name: str) -> None:
        """Remove an endpoint, and the configuration and model of its name; none is fine.

        Raise EndpointUnavailable while it is changing: then SageMaker refuses.
        """
        try:
            await self._client.delete_endpoint(EndpointName=name)
        except AWS_ERRORS as error:
            endpoint = await self.describe(name)
            if endpoint is not None and endpoint.status is not EndpointStatus.DELETING:
                raise EndpointUnavailable(f"endpoint {name} is {endpoint.status}") from error
        await _gone(self._client.delete_endpoint_config(EndpointConfigName=name))
        await _gone(self._client.delete_model(ModelName=name))


def _volume_key(key_arn: str | None, instance_types: Sequence[str], name: str) -> dict[str, str]:
    """Name the key of the volumes. Instances with disks of their own refuse one: their disks are
    encrypted by the machine itself.
    """
    if key_arn is None or any(_OWN_DISKS.search(one) for one in instance_types):
        return {}
    return {name: key_arn}


def _training_request(order: TrainingOrder, role_arn: str, key_arn: str | None) -> dict[str, Any]:
    return {
        "TrainingJobName": order.name,
        "RoleArn": role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": order.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": name, "Regex": pattern} for name, pattern in order.metric_patterns.items()
            ],
        },
        "HyperParameters": dict(order.hyperparameters),
        "InputDataConfig": [
            {
                "ChannelName": channel.name,
                "ContentType": channel.content_type,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": channel.uri,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for channel in order.channels
        ],
        "OutputDataConfig": {
            "S3OutputPath": order.output_uri,
            **({"KmsKeyId": key_arn} if key_arn else {}),
        },
        "ResourceConfig": {
            "InstanceType": order.instance_type,
            "InstanceCount": order.instance_count,
            "VolumeSizeInGB": order.volume_gb,
            **_volume_key(key_arn, [order.instance_type], "VolumeKmsKeyId"),
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": order.max_runtime // SECOND},
        "Tags": [{"Key": key, "Value": value} for key, value in order.tags.items()],
    }


def _training(answer: dict[str, Any]) -> Training:
    return Training(
        name=answer["TrainingJobName"],
        status=TrainingStatus(answer["TrainingJobStatus"]),
        output_uri=answer.get("OutputDataConfig", {}).get("S3OutputPath", ""),
        secondary_status=answer.get("SecondaryStatus", ""),
        failure_reason=answer.get("FailureReason", ""),
        artefact=answer.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
        metrics={
            metric["MetricName"]: metric["Value"]
            for metric in answer.get("FinalMetricDataList", [])
        },
        created_at=_micros(answer.get("CreationTime")),
    )


def _variant_request(variant: Variant) -> dict[str, Any]:
    return {
        "VariantName": variant.name,
        "ModelName": variant.model_name,
        "InstanceType": variant.instance_type,
        "InitialInstanceCount": variant.instance_count,
        "InitialVariantWeight": variant.weight,
    }


def _endpoint(answer: dict[str, Any]) -> Endpoint:
    return Endpoint(
        name=answer["EndpointName"],
        status=EndpointStatus(answer["EndpointStatus"]),
        config=answer["EndpointConfigName"],
        failure_reason=answer.get("FailureReason", ""),
        variants=tuple(
            Variant(
                name=one["VariantName"],
                model_name="",
                instance_type="",
                instance_count=one.get("CurrentInstanceCount", 0),
                weight=one.get("CurrentWeight", 0.0),
            )
            for one in answer.get("ProductionVariants", [])
        ),
        changed_at=_micros(answer.get("LastModifiedTime")),
    )


def _micros(at: datetime | None) -> Micros | None:
    return to_micros(at) if at is not None else None


async def _found(describing: Awaitable[T]) -> T | None:
    try:
        return await describing
    except AWS_ERRORS as error:
        if error_code(error) in _MISSING:
            return None
        raise unavailable(error, "asking SageMaker") from error


async def _gone(deleting: Awaitable[T]) -> None:
    try:
        await deleting
    except AWS_ERRORS as error:
        if error_code(error) not in _MISSING:
            raise unavailable(error, "cleaning up in SageMaker") from error


async def _ensured(describe: _Call, create: _Call, doing: str) -> None:
    """Create what is not there; where somebody makes it meanwhile, adopt theirs."""
    if await _found(describe()) is not None:
        return
    try:
        await create()
    except AWS_ERRORS as error:
        if error_code(error) not in _REFUSED or await _found(describe()) is None:
            raise _translated(error, doing) from error


def _translated(error: Exception, doing: str) -> Exception:
    if error_code(error) == "ValidationException":
        return InvalidInput(f"{doing}: {error}")
    return unavailable(error, doing)
