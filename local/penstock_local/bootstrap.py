"""Makes a stack usable: migrations, queues, topics, tables, buckets, and a canary for each path.

`python -m penstock_local.bootstrap`, told of AWS by the standard variables and of Aurora by
PENSTOCK_AURORA_DSN. It may run at any time, also over a stack in use.
"""

import argparse
import os
from pathlib import Path

from alembic import command
from alembic.config import Config

from penstock_local import aws_resources, canaries
from penstock_local.aws_resources import Wanted
from penstock_local.environment import PREFIX
from penstock_local.status import console_of_ours

MIGRATIONS = Path(__file__).parents[2] / "infra" / "alembic.ini"
DSN_VARIABLE = "PENSTOCK_AURORA_DSN"


def main() -> None:
    """Do all of it, or end with the first error."""
    parser = argparse.ArgumentParser(prog="penstock_local.bootstrap", description=__doc__)
    parser.add_argument("--only-migrate", action="store_true", help="Aurora, and nothing of AWS")
    only_migrate = parser.parse_args().only_migrate
    console = console_of_ours()
    migrate(os.environ[DSN_VARIABLE])
    console.print("Aurora is at the newest schema")
    if only_migrate:
        return
    summary = create_resources(os.environ.get("PENSTOCK_NAME_PREFIX", PREFIX))
    console.print(summary)


def migrate(dsn: str, revision: str = "head") -> None:
    """Bring a data base to the newest schema; what is there already is left alone."""
    ini = Path(os.environ.get("PENSTOCK_MIGRATIONS", MIGRATIONS))
    if not ini.exists():
        raise FileNotFoundError(
            f"no migrations at {ini}: set PENSTOCK_MIGRATIONS to an alembic.ini"
        )
    before = os.environ.get(DSN_VARIABLE)
    os.environ[DSN_VARIABLE] = dsn
    try:
        command.upgrade(Config(ini), revision)
    finally:
        if before is None:
            del os.environ[DSN_VARIABLE]
        else:
            os.environ[DSN_VARIABLE] = before


def create_resources(prefix: str, wanted: Wanted | None = None) -> str:
    """Create what is missing in AWS and prove the subscriptions; return a line that sums it up."""
    created = aws_resources.create_all(prefix, wanted or Wanted())
    proved = canaries.prove(created.subscriptions)
    return (
        f"{created.count} queues, topics, subscriptions, tables and buckets under {prefix!r}: "
        f"{created.new_count} new; {proved} subscriptions proved by a canary"
    )


if __name__ == "__main__":
    main()
