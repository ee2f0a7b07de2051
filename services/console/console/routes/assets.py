"""Asset types, assets and their tags."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from penstock.resources import DISCOVERED_TAGS
from penstock.runtime.auth import Admin, Viewer

from console.bodies import AssetBody, AssetTypeBody, TagsBody
from console.dependencies import StateDep
from console.latest import forget_latest
from console.pages import Page
from console.routes.naming import check_name

router = APIRouter(prefix="/v1", tags=["assets"])
JsonBody = Annotated[dict[str, Any], Body()]


@router.get("/asset-types")
async def list_asset_types(state: StateDep, _caller: Viewer) -> Page[dict[str, Any]]:
    """List asset types."""
    return Page(items=await state.context.asset_types())


@router.put("/asset-types/{name}")
async def put_asset_type(
    name: str, body: JsonBody, state: StateDep, caller: Admin
) -> AssetTypeBody:
    """Make an asset type known."""
    asset_type = check_name(AssetTypeBody, body, field="name", name=name)
    await state.audit.record(caller, "asset_type.put", name)
    await state.context.put_asset_type(asset_type.name)
    return asset_type


@router.delete("/asset-types/{name}", status_code=204)
async def delete_asset_type(name: str, state: StateDep, caller: Admin) -> None:
    """Remove an asset type that no asset is of."""
    await state.audit.record(caller, "asset_type.delete", name)
    await state.context.delete_asset_type(name)


@router.get("/assets")
async def list_assets(
    state: StateDep, _caller: Viewer, site: str | None = None, asset_type: str | None = None
) -> Page[dict[str, Any]]:
    """List assets."""
    return Page(items=await state.context.assets(site=site, asset_type=asset_type))


@router.get("/assets/{name}")
async def get_asset(name: str, state: StateDep, _caller: Viewer) -> dict[str, Any]:
    """Read an asset."""
    return await state.context.asset(name)


@router.put("/assets/{name}")
async def put_asset(name: str, body: JsonBody, state: StateDep, caller: Admin) -> AssetBody:
    """Create or replace an asset; its site and type become known with it."""
    asset = check_name(AssetBody, body, field="name", name=name)
    await state.audit.record(caller, "asset.put", name)
    await state.context.put_asset(asset)
    return asset


@router.delete("/assets/{name}", status_code=204)
async def delete_asset(name: str, state: StateDep, caller: Admin) -> None:
    """Remove an asset; what was predicted for it stays, but it is among the newest no more."""
    await state.audit.record(caller, "asset.delete", name)
    await state.context.delete_asset(name)
    await forget_latest(state.store, asset=name)


@router.get("/tags")
async def list_tags(
    state: StateDep,
    _caller: Viewer,
    asset: str | None = None,
    discovered: bool = False,
    gateway_id: str | None = None,
) -> Page[dict[str, Any]]:
    """List tags given by hand, or with `discovered` those seen that belong to no asset."""
    if not discovered:
        return Page(items=await state.context.tags(asset=asset))
    if gateway_id is not None:
        rows = state.store.query(DISCOVERED_TAGS.name, {"gateway_id": gateway_id})
    else:
        rows = state.store.scan(DISCOVERED_TAGS.name)
    return Page(items=[row async for row in rows])


@router.put("/tags")
async def put_tags(body: TagsBody, state: StateDep, caller: Admin) -> TagsBody:
    """Give tags to assets by hand, all or none."""
    await state.audit.record(caller, "tags.put", f"{len(body.tags)} tags")
    await state.context.put_tags(body.tags)
    return body
