"""The change of an endpoint to a version: one at a time, believed only when it serves."""

from dataclasses import dataclass

from penstock.domain.endpoints import Deployment, Endpoint, Variant, judge_deployment
from penstock.registry import ModelVersion

from training_orchestrator.bodies import ServeInstanceBody
from training_orchestrator.step import DeployFailed, Workbench

_LEASE_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Change:
    """A version that an endpoint is to serve; `holder` names who wants it."""

    version: ModelVersion
    instance: ServeInstanceBody
    holder: str

    @property
    def lease(self) -> str:
        """Name of the lease that keeps others away."""
        return f"endpoint:{self.version.endpoint}"


async def go_on(bench: Workbench, change: Change) -> tuple[Deployment, str]:
    """Take the next part of a change, and tell how it stands and why.

    Raise LeaseHeld where another change is under way, DeployFailed where it cannot succeed.
    The lease stays held until whoever asked has written down how it ended, so that a repeat finds
    the same end. The configuration that served before is kept, for a way back.
    """
    version = change.version
    config = bench.version_name(version.model, version.version)
    held = await bench.leases.acquire(change.lease, change.holder, seconds=_LEASE_SECONDS)
    endpoint = await bench.endpoints.describe(version.endpoint)
    if endpoint is None:
        await _ensure_config(bench, change, config)
        await bench.endpoints.create(version.endpoint, config)
        await bench.leases.note(change.lease, change.holder, asked=config)
        return Deployment.GOES_ON, "the endpoint is being made"
    deployment = judge_deployment(endpoint, config, was_asked=held.get("asked") == config)
    match deployment:
        case Deployment.GOES_ON:
            bench.check_not_stuck(endpoint)
        case Deployment.NOT_ASKED:
            await _ensure_config(bench, change, config)
            await bench.endpoints.update(version.endpoint, config)
            # Noted after the fact: a death in between only asks for the same once more.
            await bench.leases.note(change.lease, change.holder, asked=config)
            return Deployment.GOES_ON, "the endpoint is being changed"
        case Deployment.FAILED:
            return await _replace_failed(bench, endpoint, was_asked=held.get("asked") == config)
        case Deployment.SERVING:
            await bench.registry.promote(version.model, version.version, at=bench.clock.now())
        case Deployment.ROLLED_BACK:
            pass
    return deployment, _told(deployment, endpoint, version)


async def _ensure_config(bench: Workbench, change: Change, config: str) -> None:
    version = change.version
    variant = Variant(
        name=version.version,
        model_name=bench.version_name(version.model, version.version),
        instance_type=change.instance.type,
        instance_count=change.instance.count,
    )
    await bench.endpoints.ensure_config(config, [variant])


async def _replace_failed(
    bench: Workbench, endpoint: Endpoint, *, was_asked: bool
) -> tuple[Deployment, str]:
    """An endpoint that failed under us is told; one that was found so is made anew."""
    if was_asked:
        raise DeployFailed(
            f"endpoint {endpoint.name} is {endpoint.status}: {endpoint.failure_reason}"
        )
    await bench.endpoints.remove(endpoint.name)
    return Deployment.GOES_ON, f"the endpoint was {endpoint.status} and is made anew"


def _told(deployment: Deployment, endpoint: Endpoint, version: ModelVersion) -> str:
    if deployment is Deployment.SERVING:
        return f"endpoint {endpoint.name} serves {version.model} {version.version}"
    if deployment is Deployment.ROLLED_BACK:
        why = endpoint.failure_reason or "SageMaker gave no reason"
        return f"endpoint {endpoint.name} went back to {endpoint.config}: {why}"
    return f"endpoint {endpoint.name} is {endpoint.status}"
