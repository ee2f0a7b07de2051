"""The audit: who changed what, for whoever must account for it."""

from typing import Any

from fastapi import APIRouter
from penstock.domain.time import to_iso
from penstock.runtime.auth import Admin

from console.dependencies import StateDep
from console.pages import Cursor, Day, Limit, Page, read_cursor, write_cursor

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("")
async def list_changes(
    state: StateDep,
    _caller: Admin,
    day: Day = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[dict[str, Any]]:
    """List the changes of a day in order of time: when, who, in which role, what and of which."""
    after = read_cursor(cursor, str)[0] if cursor else ""
    found = await state.audit.of_day(
        day or to_iso(state.clock.now())[:10], after=after, limit=limit + 1
    )
    items = found[:limit]
    return Page(
        items=items, next=write_cursor(items[-1]["event_id"]) if len(found) > limit else None
    )
