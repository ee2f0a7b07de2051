"""What was refused or given up: quarantine of readings, dead letters of messages."""

from typing import Any

import msgspec
from fastapi import APIRouter
from penstock.domain.time import Micros, to_iso
from penstock.runtime.auth import Viewer

from console.dependencies import StateDep
from console.pages import Cursor, Day, Limit, Page, read_cursor, write_cursor

router = APIRouter(prefix="/v1", tags=["refusals"])


@router.get("/dead-letters")
async def list_dead_letters(
    state: StateDep, _caller: Viewer, queue: str | None = None, limit: Limit = 100
) -> Page[dict[str, Any]]:
    """List dead letters, newest first, of one queue or of all."""
    rows = await state.dead_letters.list(queue=queue, limit=limit)
    return Page(items=[{**row, "died_at": _iso(row["died_at"])} for row in rows])


@router.get("/dead-letters/{letter_id}")
async def get_dead_letter(letter_id: str, state: StateDep, _caller: Viewer) -> dict[str, Any]:
    """Read a dead letter whole: the message's body and why it was given up."""
    letter = msgspec.structs.asdict(await state.dead_letters.get(letter_id))
    return {**letter, "died_at": _iso(letter["died_at"])}


@router.get("/quarantine")
async def list_quarantine(
    state: StateDep,
    _caller: Viewer,
    day: Day = None,
    gateway_id: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[dict[str, Any]]:
    """List quarantined items of a day in order of arrival, of one gateway or of all."""
    after = read_cursor(cursor, str)[0] if cursor else ""
    items, key = await state.quarantine.of_day(
        day or to_iso(state.clock.now())[:10], gateway_id=gateway_id, after=after, limit=limit
    )
    return Page(items=items, next=write_cursor(key) if key else None)


@router.get("/quarantine/{item_id}")
async def get_quarantined(item_id: str, state: StateDep, _caller: Viewer) -> dict[str, Any]:
    """Read one quarantined item with its reason."""
    return await state.quarantine.get(item_id)


def _iso(at: object) -> str:
    return to_iso(Micros(int(str(at))))
