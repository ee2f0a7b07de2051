"""Endpoints: what answers now."""

from fastapi import APIRouter
from penstock.domain.errors import UnknownEndpoint
from penstock.runtime.auth import Viewer

from training_orchestrator.dependencies import StateDep
from training_orchestrator.views import EndpointView, endpoint_view

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])


@router.get("/{name}")
async def get_endpoint(name: str, state: StateDep, _caller: Viewer) -> EndpointView:
    """Read an endpoint by the name that jobs give it (`rollout.endpoint`)."""
    endpoint = await state.bench.endpoints.describe(state.bench.endpoint_name(name))
    if endpoint is None:
        raise UnknownEndpoint(f"no endpoint {name}; a job deploys it")
    return endpoint_view(name, endpoint)
