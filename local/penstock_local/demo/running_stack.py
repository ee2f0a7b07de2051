"""A demonstration on a stack that runs already, told by its addresses: that of docker compose."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from penstock_client.errors import ApiError
from penstock_client.sdk import Penstock
from rich.console import Console

from penstock_local.addresses import snowflake_connection
from penstock_local.checking.stores import Stores
from penstock_local.demo.plant_scenario import assets_of, plant_scenario
from penstock_local.demo.play import play_on
from penstock_local.demo.steps import Stage
from penstock_local.environment import ADMIN_TOKEN

MOST_SITES = 50
"""Sites of the plant whose history a server has that is started for this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """Where the doors, the stores and the plant's history are, as this process reaches them.

    `history` must be the same address for the stack's training-fetcher.
    """

    front_door: str
    history: str
    aurora_dsn: str
    snowflake: str
    aws_endpoint: str

    @property
    def stores(self) -> Stores:
        """Where the checker reads."""
        address = urlsplit(self.snowflake)
        if address.hostname is None or address.port is None:
            raise ValueError(f"no http://host:port of Snowflake's stand-in: {self.snowflake!r}")
        connection = snowflake_connection(address.port, host=address.hostname)
        return Stores(
            aurora_dsn=self.aurora_dsn, snowflake=connection, aws_endpoint=self.aws_endpoint
        )


def play_there(stack: RunningStack, folder: Path, console: Console, *, live_seconds: float) -> bool:
    """Play with the pumps of a site that the stack does not know; tell whether all was right."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Penstock(stack.front_door, ADMIN_TOKEN) as penstock:
        site = next_site(penstock)
        stage = Stage(penstock, stack.front_door, stack.stores, folder)
        scenario = plant_scenario(live_seconds=live_seconds, site=site)
        console.print(f"playing on {stack.front_door} with the pumps of site {site}")
        return play_on(stage, scenario, console, stack.history).outcome.is_right


def next_site(penstock: Penstock) -> int:
    """The first site of which the stack has no asset."""
    for site in range(1, MOST_SITES + 1):
        if not _is_known(penstock, assets_of(site)[0].name):
            return site
    raise ValueError(f"this stack has seen all {MOST_SITES} sites of the plant: begin a new one")


def _is_known(penstock: Penstock, asset: str) -> bool:
    try:
        penstock.assets.get(asset)
    except ApiError as error:
        if error.status == 404:
            return False
        raise
    return True
