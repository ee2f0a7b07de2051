"""Bindings: which frame of which assets is given to which model, and when."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response
from penstock.bodies import BindingBody
from penstock.domain.assets import Asset, BindingState
from penstock.domain.errors import InvalidInput, NotFound
from penstock.domain.frames import FrameDefinition
from penstock.domain.ids import AssetName, TagPath
from penstock.domain.state_size import state_bytes
from penstock.runtime.auth import Admin, Operator, Viewer

from console.dependencies import State, StateDep
from console.pages import Page
from console.routes.naming import check_name

router = APIRouter(prefix="/v1/bindings", tags=["bindings"])

STATE_LIMIT = 64 * 1024
"""Bytes of an asset's frame state: beyond it every reading would cost a small fortune."""


@router.get("")
async def list_bindings(state: StateDep, _caller: Viewer) -> Page[dict[str, Any]]:
    """List bindings."""
    return Page(items=[_shown(row) for row in await state.context.bindings()])


@router.get("/{name}")
async def get_binding(
    name: str, state: StateDep, _caller: Viewer, response: Response
) -> dict[str, Any]:
    """Read a binding; the answer's ETag makes an edit safe."""
    row = await state.context.binding(name)
    response.headers["etag"] = f'"{row["etag"]}"'
    return _shown(row)


@router.put("/{name}")
async def put_binding(
    name: str,
    *,
    body: Annotated[dict[str, Any], Body()],
    state: StateDep,
    caller: Admin,
    response: Response,
    if_match: Annotated[str | None, Header()] = None,
    dry_run: Annotated[bool, Query(description="Check, and tell the assets it covers.")] = False,
) -> dict[str, Any]:
    """Create or replace a binding."""
    binding = check_name(BindingBody, body, field="name", name=name)
    covered = await _check(binding, state)
    if dry_run:
        return {**binding.model_dump(mode="json", by_alias=True), "assets": covered}
    await state.audit.record(caller, "binding.put", name)
    expected = None if if_match is None else if_match.strip('"')
    row = await state.context.put_binding(binding, if_match=expected)
    response.headers["etag"] = f'"{row["etag"]}"'
    return _shown(row)


@router.post("/{name}/pause")
async def pause_binding(name: str, state: StateDep, caller: Operator) -> dict[str, Any]:
    """Ask the model no more; frame state goes on, so nothing warms up again after."""
    await state.audit.record(caller, "binding.pause", name)
    return await _set_state(name, BindingState.PAUSED, state)


@router.post("/{name}/resume")
async def resume_binding(name: str, state: StateDep, caller: Operator) -> dict[str, Any]:
    """Ask the model again."""
    await state.audit.record(caller, "binding.resume", name)
    return await _set_state(name, BindingState.ACTIVE, state)


@router.delete("/{name}", status_code=204)
async def delete_binding(name: str, state: StateDep, caller: Admin) -> None:
    """Remove a binding; what it predicted stays."""
    await state.audit.record(caller, "binding.delete", name)
    await state.context.delete_binding(name)


async def _set_state(name: str, wanted: BindingState, state: State) -> dict[str, Any]:
    row = await state.context.binding(name)
    body = BindingBody.model_validate(row["body"]).model_copy(update={"state": wanted})
    return _shown(await state.context.put_binding(body, if_match=row["etag"]))


async def _check(body: BindingBody, state: State) -> list[str]:
    binding = body.to_domain()
    if (binding.applies_to.asset is None) == (binding.applies_to.asset_type is None):
        raise InvalidInput("body.applies_to: name either `asset` or `asset_type`")
    frame = binding.frame or await _frame_of_model(body, state)
    if frame is not None:
        size = state_bytes(frame)
        if size > STATE_LIMIT:
            raise InvalidInput(
                f"body.frame: its state would take about {size // 1024} KiB per asset, more than"
                f" {STATE_LIMIT // 1024}; shorten `over`, `samples` or `context`"
            )
    assets = [
        Asset(
            AssetName(row["name"]),
            row["site"],
            row["asset_type"],
            tuple(TagPath(prefix) for prefix in row["prefixes"]),
        )
        for row in await state.context.assets()
    ]
    return [asset.name for asset in assets if binding.applies_to.covers(asset)]


async def _frame_of_model(body: BindingBody, state: State) -> FrameDefinition | None:
    try:
        version = await state.registry.get(body.model.name, body.model.version)
    except NotFound:
        return None  # the model may be trained later: the binding waits for it
    return version.frame_definition


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {**row["body"], "etag": row["etag"]}
