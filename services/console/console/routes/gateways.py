"""Gateways and their keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from penstock.domain.ids import GatewayId
from penstock.domain.time import Micros, to_iso
from penstock.gateways import Gateway, GatewayBody
from penstock.runtime.auth import Admin, Viewer

from console.dependencies import StateDep
from console.discovered import forget_discovered
from console.pages import Page
from console.routes.naming import check_name

router = APIRouter(prefix="/v1/gateways", tags=["gateways"])


@router.get("")
async def list_gateways(state: StateDep, _caller: Viewer) -> Page[dict[str, Any]]:
    """List gateways with their settings; keys are shown by id alone."""
    found = [_shown(gateway) async for gateway in state.gateways.list()]
    return Page(items=sorted(found, key=lambda item: str(item["gateway_id"])))


@router.get("/{gateway_id}")
async def get_gateway(gateway_id: str, state: StateDep, _caller: Viewer) -> dict[str, Any]:
    """Read a gateway."""
    return _shown(await state.gateways.get(GatewayId(gateway_id)))


@router.put("/{gateway_id}")
async def put_gateway(
    gateway_id: str, body: Annotated[dict[str, Any], Body()], state: StateDep, caller: Admin
) -> dict[str, Any]:
    """Create a gateway or replace its settings; its keys stay."""
    settings = check_name(GatewayBody, body, field="gateway_id", name=gateway_id)
    await state.audit.record(caller, "gateway.put", gateway_id)
    return _shown(await state.gateways.put(settings))


@router.delete("/{gateway_id}", status_code=204)
async def delete_gateway(gateway_id: str, state: StateDep, caller: Admin) -> None:
    """Remove a gateway, its keys, and the list of tags that were discovered from it."""
    await state.audit.record(caller, "gateway.delete", gateway_id)
    # First: tags that were listed after the gateway was gone can be removed by asking again.
    await forget_discovered(state.store, gateway_id)
    await state.gateways.delete(GatewayId(gateway_id))


@router.post("/{gateway_id}/keys", status_code=201)
async def add_key(gateway_id: str, state: StateDep, caller: Admin) -> dict[str, Any]:
    """Make a key; this answer is the only place that ever shows it."""
    await state.audit.record(caller, "gateway.add_key", gateway_id)
    issued = await state.gateways.add_key(GatewayId(gateway_id))
    return {"key_id": issued.key_id, "key": issued.key.get_secret_value()}


@router.delete("/{gateway_id}/keys/{key_id}", status_code=204)
async def revoke_key(gateway_id: str, key_id: str, state: StateDep, caller: Admin) -> None:
    """End a key at once."""
    await state.audit.record(caller, "gateway.revoke_key", f"{gateway_id}/{key_id}")
    await state.gateways.revoke_key(GatewayId(gateway_id), key_id)


def _shown(gateway: Gateway) -> dict[str, Any]:
    return {
        **gateway.settings.model_dump(mode="json"),
        "keys": [
            {
                "key_id": key.key_id,
                "label": key.label,
                "created_at": to_iso(key.created_at),
                "expires_at": _iso(key.expires_at),
            }
            for key in gateway.keys
        ],
        "created_at": to_iso(gateway.created_at),
        "updated_at": to_iso(gateway.updated_at),
        "last_bad_key_at": _iso(gateway.last_bad_key_at),
    }


def _iso(at: Micros | None) -> str | None:
    return None if at is None else to_iso(at)
