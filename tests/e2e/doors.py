"""The public doors as a careless gateway and careless people use them, on a site of their own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from penstock_client.sdk import Penstock
from penstock_local.demo.history import serving_history
from penstock_local.demo.plant_scenario import readings_api
from penstock_local.demo.scenario import Json
from penstock_local.environment import ADMIN_TOKEN
from penstock_local.plant.layout import DEADBANDS
from penstock_local.stack import PenstockStack

from tests.e2e.lure import luring
from tests.e2e.pumps import Pumps
from tests.fixtures.waiting import wait_until

PUMPS = Pumps("pump-picky", site=7, machines=2, history=timedelta(days=6), live=timedelta(days=3))
SITE = "picky"
GATEWAY = "careless-gateway"
HEALTHY, LOCKED, LURING, LAVISH = "healthy", "locked", "luring", "lavish"
METADATA = "http://169.254.169.254/latest/meta-data/"


@dataclass(frozen=True, slots=True)
class Doors:
    """The public doors, with the key of a gateway that may name one site only."""

    stack: PenstockStack
    penstock: Penstock
    gateway: httpx.Client
    locked_url: str

    def post(self, body: object) -> httpx.Response:
        """Send what a gateway would."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.gateway.post("/v1/readings", content=content)

    def send_scan(self, prefix: str) -> None:
        """Send one reading of every tag of a pump, all of one time."""
        at = now().isoformat()
        items = [{"tag": f"{prefix}/{tag}", "value": 1.5, "at": at} for tag in DEADBANDS]
        assert self.post({"readings": items}).json()["accepted"] == len(items)

    def wait_for_quarantine(self, request_id: str, *, count: int) -> dict[str, Json]:
        """Wait until so much is kept of a request, and return it by reason."""
        wait_until(
            lambda: len(self._quarantined(request_id)) == count,
            f"{count} items of the request are in quarantine",
            every_seconds=0.3,
        )
        return self._quarantined(request_id)

    def _quarantined(self, request_id: str) -> dict[str, Json]:
        items = [
            item
            for day in days_of_a_moment_ago()
            for item in self.penstock.session.items("/v1/quarantine", day=day, gateway_id=GATEWAY)
        ]
        return {item["reason"]: item for item in items if item["request_id"] == request_id}

    def dead_letter(self, says: str) -> Json:
        """Wait for the dead letter whose reason says so, and read it whole."""
        found: list[Json] = []

        def has_died() -> bool:
            letters = self.penstock.dead_letters.list()
            found[:] = [letter for letter in letters if says in letter["reason"]]
            return bool(found)

        wait_until(has_died, f"a dead letter says {says!r}", every_seconds=0.3)
        return self.penstock.dead_letters.get(found[0]["id"])

    def predicted(self, asset: str) -> bool:
        return any(True for _ in self.penstock.predictions.list(asset=asset))

    def wait_for_prediction(self, asset: str) -> None:
        wait_until(lambda: self.predicted(asset), f"{asset} has a prediction", every_seconds=0.3)


@contextmanager
def open_doors(stack: PenstockStack, folder: Path) -> Iterator[Doors]:
    """Open the doors of a stack, where sources, assets and the gateway are known to it."""
    url = stack.endpoint("front-door")
    with (
        Penstock(url, ADMIN_TOKEN) as penstock,
        serving_history(PUMPS.history_options, folder / "history.log") as history_url,
        serving_history(PUMPS.history_options, folder / "locked.log") as locked_url,
        luring(METADATA) as luring_url,
    ):
        _put_sources(penstock, history_url, locked_url=locked_url, luring_url=luring_url)
        for asset, prefix in PUMPS.prefixes.items():
            body = {"site": SITE, "asset_type": PUMPS.name, "prefixes": [prefix]}
            penstock.assets.put(asset, body)
        penstock.gateways.put(GATEWAY, {"paths": [f"/{PUMPS.site_name}"]})
        key = penstock.gateways.add_key(GATEWAY)["key"]
        with httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=30) as gateway:
            yield Doors(stack, penstock, gateway, locked_url)


def _put_sources(penstock: Penstock, history_url: str, *, locked_url: str, luring_url: str) -> None:
    """One source that is right, and three that end badly."""
    everything = readings_api()
    del everything["params"]["tags"]
    for name, base, options in (
        (HEALTHY, history_url, readings_api()),
        (LOCKED, locked_url, readings_api()),
        (LURING, luring_url, readings_api()),
        (LAVISH, history_url, everything),
    ):
        rate = {"rps": 100, "concurrency": 4}
        body = {"plugin": "paged_json", "base_url": base, "rate": rate, "options": options}
        penstock.sources.put(name, body)


def reading(tag: str, value: object, at: datetime) -> Json:
    """A reading of the first pump."""
    path = f"{next(iter(PUMPS.prefixes.values()))}/{tag}"
    return {"tag": path, "value": value, "quality": "good", "at": at.isoformat()}


def now() -> datetime:
    return datetime.now(UTC)


def days_of_a_moment_ago() -> list[str]:
    """UTC days on which something may be that was done just now: two around midnight."""
    until = now()
    return sorted({(until - timedelta(minutes=30)).date().isoformat(), until.date().isoformat()})
