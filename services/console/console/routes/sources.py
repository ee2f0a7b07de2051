"""REST sources of history."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from penstock.runtime.auth import Admin, Viewer
from penstock.source_settings import SourceBody

from console.dependencies import StateDep
from console.pages import Page
from console.routes.naming import check_name

router = APIRouter(prefix="/v1/sources", tags=["sources"])


@router.get("")
async def list_sources(state: StateDep, _caller: Viewer) -> Page[dict[str, Any]]:
    """List sources; a secret is shown by its name alone."""
    return Page(items=[s.model_dump(mode="json") async for s in state.sources.all()])


@router.get("/{name}")
async def get_source(name: str, state: StateDep, _caller: Viewer) -> dict[str, Any]:
    """Read a source."""
    return (await state.sources.get(name)).model_dump(mode="json")


@router.put("/{name}")
async def put_source(
    name: str, body: Annotated[dict[str, Any], Body()], state: StateDep, caller: Admin
) -> dict[str, Any]:
    """Create or replace a source."""
    source = check_name(SourceBody, body, field="name", name=name)
    await state.audit.record(caller, "source.put", name)
    await state.sources.put(source)
    return source.model_dump(mode="json")
