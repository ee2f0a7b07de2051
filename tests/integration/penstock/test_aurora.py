import asyncio
from datetime import UTC, date, datetime

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from penstock.adapters import aurora, tables
from penstock.domain.errors import StoreUnavailable
from sqlalchemy import create_engine, insert, pool, select, text

from tests.fixtures.postgres import migrate

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)


async def _version(connection: aurora.Connection) -> int:
    rows = await aurora.execute(connection, select(tables.context_version.c.version))
    row = await rows.fetchone()
    assert row is not None
    return int(row["version"])


def test_migrations_make_what_the_tables_say(aurora_dsn: str) -> None:
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(aurora_dsn),
        poolclass=pool.NullPool,
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, tables.METADATA) == []
        for view in (tables.v_predictions, tables.v_all_predictions, tables.v_forecast_points):
            assert connection.execute(select(view)).fetchall() == []


def test_migrations_go_down_and_up_again(aurora_dsn: str) -> None:
    migrate(aurora_dsn, "base", direction="downgrade")
    with psycopg.connect(aurora_dsn) as connection:
        left = connection.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = 'public' AND relname NOT LIKE 'alembic%'"
        )
        assert left.fetchall() == []
    migrate(aurora_dsn)


async def test_every_change_of_the_context_raises_its_version(aurora_dsn: str) -> None:
    async with aurora.open_pool(aurora_dsn) as connections:
        async with aurora.transaction(connections) as connection:
            before = await _version(connection)
            await aurora.execute(connection, insert(tables.sites).values(name="S1"))
            await aurora.execute(connection, insert(tables.asset_types).values(name="pump"))
            asset = {"name": "P-101", "site": "S1", "asset_type": "pump", "prefixes": ["/S1/P-101"]}
            await aurora.execute(connection, insert(tables.assets).values(asset))
            tag = {"path": "/X", "asset": "P-101", "name": "TEMP"}
            await aurora.execute(connection, insert(tables.tags).values(tag))
            binding = {"name": "b", "body": {"name": "b"}, "etag": "1"}
            await aurora.execute(connection, insert(tables.bindings).values(binding))
            assert await _version(connection) == before + 5
            await aurora.execute(connection, tables.bindings.update().values(etag="2"))
            await aurora.execute(connection, tables.bindings.delete())
            assert await _version(connection) == before + 7
        async with aurora.transaction(connections) as connection:
            assert await _version(connection) == before + 7


async def test_connections_that_died_in_the_pool_fail_nobody(aurora_dsn: str) -> None:
    """Aurora was away for a moment between two requests."""
    async with aurora.open_pool(aurora_dsn, 2) as connections:
        async with aurora.transaction(connections), aurora.transaction(connections):
            pass
        with psycopg.connect(aurora_dsn, autocommit=True) as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        for _ in range(2):
            async with aurora.transaction(connections) as connection:
                await _version(connection)


async def test_a_body_is_stored_as_json_and_read_back(aurora_dsn: str) -> None:
    body = {"name": "b", "deep": [{"x": 1.5}], "none": None}
    async with aurora.open_pool(aurora_dsn) as connections:
        async with aurora.transaction(connections) as connection:
            row = {"name": "b", "body": body, "etag": "1"}
            await aurora.execute(connection, insert(tables.bindings).values(row))
        async with aurora.transaction(connections) as connection:
            found = await aurora.execute(connection, select(tables.bindings.c.body))
            assert await found.fetchall() == [{"body": body}]


async def test_a_transaction_that_fails_leaves_nothing(aurora_dsn: str) -> None:
    async with aurora.open_pool(aurora_dsn) as connections:

        async def fail() -> None:
            async with aurora.transaction(connections) as connection:
                await aurora.execute(connection, insert(tables.sites).values(name="S1"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with aurora.transaction(connections) as connection:
            found = await aurora.execute(connection, select(tables.sites))
            assert await found.fetchall() == []


async def test_a_day_gets_its_partition_once_even_when_asked_at_the_same_time(
    aurora_dsn: str,
) -> None:
    async with aurora.open_pool(aurora_dsn, 4) as connections:

        async def ensure() -> bool:
            async with aurora.transaction(connections) as connection:
                await connection.execute("SET LOCAL TimeZone = 'Asia/Tokyo'")
                made = await connection.execute(
                    "SELECT ensure_predictions_partition(%s) AS made", [date(2026, 11, 20)]
                )
                row = await made.fetchone()
                assert row is not None
                return bool(row["made"])

        assert sorted(await asyncio.gather(*(ensure() for _ in range(4)))) == [0, 0, 0, 1]
        async with aurora.transaction(connections) as connection:
            bounds = await connection.execute(
                "SELECT pg_get_expr(relpartbound, oid) AS bounds FROM pg_class"
                " WHERE relname = 'predictions_20261120'"
            )
            row = await bounds.fetchone()
            assert row is not None
            assert "'2026-11-20 00:00:00+00') TO ('2026-11-21 00:00:00+00'" in row["bounds"]


async def test_a_forecast_reads_as_points(aurora_dsn: str) -> None:
    async with (
        aurora.open_pool(aurora_dsn) as connections,
        aurora.transaction(connections) as connection,
    ):
        await connection.execute("SELECT ensure_predictions_partition('2026-11-20')")
        ids = {}
        for table in (tables.dim_site, tables.dim_asset_type, tables.dim_binding):
            made = await aurora.execute(
                connection, insert(table).values(name="n").returning(table.c.id)
            )
            ids[table.name] = (await made.fetchone() or {})["id"]
        asset = {"name": "P-101", "site_id": ids["dim_site"], "asset_type_id": 1}
        await aurora.execute(connection, insert(tables.dim_asset).values(asset))
        row = {
            "event_time": AT, "received_at": AT, "predicted_at": AT, "revision": 1,
            "binding_id": ids["dim_binding"], "asset_id": 1, "run_id": tables.LIVE_RUN,
            "model_version_id": 1, "features_missing": 0, "flags": 0, "variant_id": 1, "kind": 3,
            "quality": 0, "pack_id": "p", "forecast_start": AT, "forecast_step_seconds": 3600,
            "quantile_levels": [0.1, 0.9], "quantile_values": [1.0, 2.0, 3.0, 4.0],
        }  # fmt: skip
        await aurora.execute(connection, insert(tables.predictions).values(row))
        points = await aurora.execute(
            connection, select(tables.v_forecast_points).order_by(text("step, quantile"))
        )
        told = [(p["target_time"].hour, p["quantile"], p["value"]) for p in await points.fetchall()]
        assert told == [(10, 0.1, 1.0), (10, 0.9, 2.0), (11, 0.1, 3.0), (11, 0.9, 4.0)]


async def test_a_read_only_server_drops_the_connections(aurora_dsn: str) -> None:
    async def write(connections: aurora.Pool) -> None:
        async with aurora.transaction(connections) as connection:
            await aurora.execute(connection, insert(tables.sites).values(name="S1"))

    async with aurora.open_pool(aurora_dsn, 1) as connections:
        async with aurora.transaction(connections) as connection:
            before = connection.info.backend_pid
            name = connection.info.dbname
            await connection.execute(
                f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode()
            )
            await connection.execute("SET SESSION default_transaction_read_only = on")
        with pytest.raises(StoreUnavailable, match="read-only"):
            await write(connections)
        with pytest.raises(StoreUnavailable, match="read-only"):
            await aurora.ping(connections)
        with psycopg.connect(aurora_dsn, autocommit=True) as failed_over:
            failed_over.execute("SET default_transaction_read_only = off")
            failed_over.execute(
                f"ALTER DATABASE {name} RESET default_transaction_read_only".encode()
            )
        async with aurora.transaction(connections) as connection:
            assert connection.info.backend_pid != before
        await write(connections)
        await aurora.ping(connections)


async def test_a_server_that_is_not_there_is_unavailable_soon() -> None:
    nobody = "postgresql://nobody@127.0.0.1:1/none"
    async with aurora.open_pool(nobody, 1) as connections:
        with pytest.raises(StoreUnavailable):
            await aurora.ping(connections)


async def test_a_transaction_has_a_deadline(aurora_dsn: str) -> None:
    async with aurora.open_pool(aurora_dsn) as connections:
        await aurora.ping(connections)
        with pytest.raises(StoreUnavailable, match="longer than"):
            async with aurora.transaction(connections, patience_seconds=0.2) as connection:
                await connection.execute("SELECT pg_sleep(30)")
        await aurora.ping(connections)
