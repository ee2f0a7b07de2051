"""The Snowflake of the embedded stack: fakesnow's server on loopback, its databases on disk.

`python -m penstock_local.warehouse --port 4580 --state-dir .penstock/snowflake`

fakesnow's own server keeps its databases in memory only, so this one gives it a directory.

Kept over any end of the process: databases, schemas, tables, views and rows.
Lost with the process: stages and file formats (and the files in them), temporary tables, sessions
(their next statement answers "User must login again"), and the declared length of VARCHAR columns.
So a client creates its stage with `IF NOT EXISTS` when it connects.

Transactions: connect with `autocommit=False` and end with `commit()`; then a MERGE and an INSERT
are kept or dropped together. A MERGE after an explicit BEGIN fails, for fakesnow makes tables for
it. After any error roll back: here, unlike in Snowflake, the whole transaction is lost then, and
a commit answers as if it were not. So what may fail (`REMOVE` is not known) comes after the commit.
`tests/integration/stack/test_warehouse.py` shows the statements that work.
"""

import argparse
import importlib
import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import uvicorn

from penstock_local.abandoned import IDLE_SECONDS, AbandonedSessions
from penstock_local.addresses import SNOWFLAKE_DATABASE, SNOWFLAKE_SCHEMA


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="penstock_local.warehouse", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="another one only inside a container")
    parser.add_argument(
        "--abandoned-after",
        type=float,
        default=IDLE_SECONDS,
        metavar="SECONDS",
        help="so long a client may leave changes uncommitted without a word",
    )
    options = parser.parse_args()
    snowflake = open_databases(options.state_dir.resolve())
    server: Any = importlib.import_module("fakesnow.server")
    server.shared_fs = snowflake
    _quieten()
    config = uvicorn.Config(
        AbandonedSessions(server.app, server.sessions, idle_seconds=options.abandoned_after),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    try:
        uvicorn.Server(config).run()
    finally:
        # Folds the write-ahead logs into the database files.
        snowflake.duck_conn.close()


def open_databases(state_dir: Path) -> Any:
    """Open fakesnow over the databases in `state_dir`, all attached, so that `USE` finds each."""
    databases = state_dir / "databases"
    databases.mkdir(parents=True, exist_ok=True)
    _keep_stages_in(state_dir / "stages")
    fakesnow = importlib.import_module("fakesnow.instance")
    snowflake = fakesnow.FakeSnow(db_path=databases)
    names = {path.stem for path in databases.glob("*.db")} | {SNOWFLAKE_DATABASE}
    for name in sorted(names):
        # Connecting attaches the file, or makes a new one.
        snowflake.connect(database=name, schema=SNOWFLAKE_SCHEMA).close()
    return snowflake


def _quieten() -> None:
    # What it logs at INFO is every statement that a client got wrong, which the client is told too.
    for name in ("fakesnow", "fakesnow.server", "sqlglot"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Said of its own code, once per process.
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")


def _keep_stages_in(folder: Path) -> None:
    # fakesnow makes a temporary directory for them when it is imported, and never removes it.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tempfile.tempdir = str(folder)


if __name__ == "__main__":
    main()
