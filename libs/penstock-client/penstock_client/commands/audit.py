"""`penstock audit`: who changed what, as lines of JSON for whoever keeps them."""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from penstock_client.commands.context import DEFAULT_URL, Token, Url, open_penstock, tell_errors


@tell_errors
def audit(
    *,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First UTC day; today.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last UTC day; today.")
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Write every change of some days, one JSON object a line, oldest first; needs role admin."""
    today = datetime.now(UTC).date()
    first, last = since.date() if since else today, until.date() if until else today
    if first > last:
        raise ValueError(f"--from {first} is after --to {last}")
    with open_penstock(url, token) as penstock:
        for number in range((last - first).days + 1):
            for change in penstock.audit.of_day(first + timedelta(days=number)):
                sys.stdout.write(json.dumps(change) + "\n")
