"""Reads predictions: history from Aurora, the newest of each asset from DynamoDB."""

from datetime import datetime
from typing import Any

from penstock.adapters.aurora import Pool, execute, transaction
from penstock.adapters.tables import v_predictions
from penstock.domain.time import to_iso, to_micros
from sqlalchemy import select, tuple_

from console.pages import read_cursor, write_cursor

Row = dict[str, Any]
_ORDER = (v_predictions.c.event_time, v_predictions.c.binding, v_predictions.c.asset)


class PredictionHistory:
    """The view that analysts read, in pages by key."""

    def __init__(self, pool: Pool) -> None:
        """Keep the pool."""
        self._pool = pool

    async def list(
        self,
        *,
        binding: str | None,
        asset: str | None,
        since: datetime | None,
        until: datetime | None,
        cursor: str | None,
        limit: int,
    ) -> tuple[list[Row], str | None]:
        """Read live predictions of [since, until) in order of event time."""
        query = select(v_predictions).order_by(*_ORDER).limit(limit)
        if binding is not None:
            query = query.where(v_predictions.c.binding == binding)
        if asset is not None:
            query = query.where(v_predictions.c.asset == asset)
        if since is not None:
            query = query.where(v_predictions.c.event_time >= since)
        if until is not None:
            query = query.where(v_predictions.c.event_time < until)
        if cursor is not None:
            at, after_binding, after_asset = read_cursor(cursor, str, str, str)
            position = (datetime.fromisoformat(at), after_binding, after_asset)
            query = query.where(tuple_(*_ORDER) > position)
        async with transaction(self._pool) as connection:
            rows = await (await execute(connection, query)).fetchall()
        if len(rows) < limit:
            return [_shown(row) for row in rows], None
        last = rows[-1]
        position_text = write_cursor(
            to_iso(to_micros(last["event_time"])), last["binding"], last["asset"]
        )
        return [_shown(row) for row in rows], position_text


def _shown(row: Row) -> Row:
    shown = {key: _json(value) for key, value in row.items()}
    decision = shown.get("decision")
    return shown | {"decision": None if decision is None else bool(decision)}


def _json(value: object) -> object:
    match value:
        case datetime():
            return to_iso(to_micros(value))
        case bytes() | memoryview():
            return bytes(value).hex()
        case _:
            return value
