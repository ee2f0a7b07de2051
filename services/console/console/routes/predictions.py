"""What the models said."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from penstock.runtime.auth import Viewer

from console.dependencies import StateDep
from console.latest import read_latest
from console.pages import Cursor, Limit, Page

router = APIRouter(prefix="/v1/predictions", tags=["predictions"])

Since = Annotated[datetime | None, Query(alias="from", description="First event time.")]
Until = Annotated[datetime | None, Query(alias="to", description="Event time to stop before.")]


@router.get("")
async def list_predictions(
    *,
    state: StateDep,
    _caller: Viewer,
    binding: str | None = None,
    asset: str | None = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[dict[str, Any]]:
    """List live predictions in order of event time."""
    items, following = await state.predictions.list(
        binding=binding, asset=asset, since=since, until=until, cursor=cursor, limit=limit
    )
    return Page(items=items, next=following)


@router.get("/latest")
async def latest_predictions(
    state: StateDep, _caller: Viewer, asset: str | None = None, binding: str | None = None
) -> Page[dict[str, Any]]:
    """List the newest live prediction of each asset and binding."""
    return Page(items=await read_latest(state.store, asset=asset, binding=binding))
