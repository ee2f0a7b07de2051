"""Runs the migrations over the data base of PENSTOCK_AURORA_DSN, one process at a time.

With PENSTOCK_AURORA_ROOT_CERTIFICATE the server is verified by the authorities in that file.
"""

import os
from pathlib import Path

import psycopg
from alembic import context
from penstock.adapters.aurora_tls import verified
from penstock.adapters.tables import METADATA
from sqlalchemy import Connection, create_engine, pool, text

_LOCK = 7_358_162  # any number; all migrations of one data base queue behind it
SERVICE = "penstock_service"
_OWNER = "penstock_owner"


def _connect() -> psycopg.Connection:
    dsn = os.environ.get("PENSTOCK_AURORA_DSN", "")
    if not dsn:
        raise SystemExit("set PENSTOCK_AURORA_DSN to the data base that is to be migrated")
    file = os.environ.get("PENSTOCK_AURORA_ROOT_CERTIFICATE")
    return psycopg.connect(verified(dsn, Path(file) if file else None), connect_timeout=10)


def _let_services_in(connection: Connection) -> None:
    """In Aurora the services enter by tokens of IAM, as a role that owns what migrations make.

    Owning it lets them make a day's partition. The master must stay out of the role that enters:
    whoever belongs to rds_iam, be it by another role, has no password any more.
    """
    for role in (_OWNER, SERVICE):
        found = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :n"), {"n": role})
        if found.scalar() is None:
            connection.execute(text(f"CREATE ROLE {role}"))
    connection.execute(text(f"ALTER ROLE {SERVICE} LOGIN"))
    connection.execute(text(f"GRANT {_OWNER} TO CURRENT_USER"))
    connection.execute(text(f"GRANT {_OWNER}, rds_iam TO {SERVICE}"))
    connection.execute(text(f"GRANT USAGE, CREATE ON SCHEMA public TO {_OWNER}"))
    connection.execute(text(f"SET LOCAL ROLE {_OWNER}"))


def _is_aurora(connection: Connection) -> bool:
    found = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = 'rds_iam'"))
    return found.scalar() is not None


def _run() -> None:
    # A creator in place of a URL: every form of DSN that libpq reads works, and none is logged.
    engine = create_engine("postgresql+psycopg://", creator=_connect, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=METADATA)
        with context.begin_transaction():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            if _is_aurora(connection):
                _let_services_in(connection)
            context.run_migrations()


_run()
