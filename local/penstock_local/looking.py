"""Looking into a stack: how full its queues are, and PostgreSQL's own tools on its data base.

Both work on `make up` by its state directory, and in a container by the variables that it has.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import boto3
import psycopg
import typer
from penstock.resources import DEAD_LETTER_QUEUES, QUEUES, physical_name
from rich.table import Table

from penstock_local import stackfile
from penstock_local.bootstrap import DSN_VARIABLE
from penstock_local.cli import DEFAULT_STATE_DIR, StateDir
from penstock_local.environment import PREFIX
from penstock_local.postgres import binary
from penstock_local.status import console_of_ours

_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def queues(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    *,
    everything: Annotated[bool, typer.Option("--all", help="empty ones too")] = False,
) -> None:
    """Show how many messages wait, are in flight and are delayed, by queue."""
    environment = variables_of(state_dir)
    counts = read_counts(environment)
    shown = Table("queue", "waiting", "in flight", "delayed", header_style="bold")
    for name, numbers in counts.items():
        if everything or any(numbers):
            shown.add_row(name, *map(str, numbers))
    console = console_of_ours()
    console.print(shown if shown.row_count else f"all {len(counts)} queues are empty")


def pg(
    tool: Annotated[str, typer.Argument(help="psql, pg_dump, pg_restore, createdb, dropdb ...")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="after --, as the tool has them")
    ] = None,
    *,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """Run one of PostgreSQL's tools; `--dbname` is the stack's data base where none is named."""
    found = binary(tool)
    if "/" in tool or not found.exists():
        raise typer.BadParameter(f"PostgreSQL has no tool {tool!r} in {found.parent}")
    dsn = variables_of(state_dir)[DSN_VARIABLE]
    given = arguments or []
    names_one = any(argument.startswith(("--dbname", "-d")) for argument in given)
    where = [] if names_one or tool in _BY_SERVER else [f"--dbname={dsn}"]
    command = [str(found), *where, *given]
    done = subprocess.run(command, env={**os.environ, **_server_of(dsn)}, check=False)  # noqa: S603 - PostgreSQL's own tool
    raise typer.Exit(done.returncode)


_BY_SERVER = frozenset({"createdb", "dropdb", "createuser", "dropuser", "pg_isready"})
"""Tools that name their data base otherwise, if at all."""


def variables_of(state_dir: Path) -> Mapping[str, str]:
    """Variables of a client of the stack: of the one in the directory, else our own."""
    found = stackfile.read(state_dir.resolve())
    return os.environ if found is None else found.environment


def read_counts(environment: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Ask for the counts of every queue that Penstock has, dead-letter queues last."""
    sqs: Any = boto3.client(
        "sqs",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    prefix = environment.get("PENSTOCK_NAME_PREFIX", PREFIX)
    names = [*(queue.name for queue in QUEUES), *DEAD_LETTER_QUEUES]
    return {name: _counts(sqs, physical_name(prefix, name)) for name in names}


def _counts(sqs: Any, name: str) -> tuple[int, ...]:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
    return tuple(int(told[count]) for count in _COUNTS)


def _server_of(dsn: str) -> dict[str, str]:
    from_dsn = psycopg.conninfo.conninfo_to_dict(dsn)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER"}
    return {names[key]: str(value) for key, value in from_dsn.items() if key in names}
