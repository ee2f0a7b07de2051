"""Runs the migrations over the data base of PENSTOCK_AURORA_DSN, one process at a time."""

import os

import psycopg
from alembic import context
from penstock.adapters.tables import METADATA
from sqlalchemy import create_engine, pool, text

_LOCK = 7_358_162  # any number; all migrations of one data base queue behind it


def _connect() -> psycopg.Connection:
    dsn = os.environ.get("PENSTOCK_AURORA_DSN", "")
    if not dsn:
        raise SystemExit("set PENSTOCK_AURORA_DSN to the data base that is to be migrated")
    return psycopg.connect(dsn, connect_timeout=10)


def _run() -> None:
    # A creator in place of a URL: every form of DSN that libpq reads works, and none is logged.
    engine = create_engine("postgresql+psycopg://", creator=_connect, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=METADATA)
        with context.begin_transaction():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            context.run_migrations()


_run()
