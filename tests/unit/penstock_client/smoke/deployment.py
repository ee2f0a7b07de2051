"""A deployment as its public doors show it, in memory: what a smoke test sees of one."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from penstock_client.sdk import Penstock
from penstock_client.smoke.plan import Names
from penstock_client.smoke.running import Patience
from penstock_client.smoke.scene import Scene

URL = "http://penstock.test"
TOKEN = "the-admin"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAMES = Names("smoke-20261128t120000z-0a1b2c")
Json = dict[str, Any]

PUMP_MODEL = {
    "model": "pump-failure",
    "version": "v3",
    "frame": {
        "mode": "row",
        "features": [
            {"name": "temp", "tag": "TEMP"},
            {"name": "state", "tag": "STATE", "categories": ["on", "off"]},
        ],
    },
}


@dataclass(slots=True)
class FakeClock:
    """Moves only when somebody waits."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    def utc_now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


@dataclass(slots=True)
class FakeDeployment:
    """`lists_tags` and `predicts` say whether what comes after the door is alive."""

    lists_tags: bool = True
    predicts: bool = True
    opens_to_anybody: bool = False
    rejects: int = 0
    model: Json = field(default_factory=lambda: PUMP_MODEL)
    gateways: set[str] = field(default_factory=set)
    asset_types: set[str] = field(default_factory=set)
    assets: set[str] = field(default_factory=set)
    bindings: set[str] = field(default_factory=set)
    discovered: list[tuple[str, str]] = field(default_factory=list)
    sent: list[Json] = field(default_factory=list)
    predictions: list[Json] = field(default_factory=list)
    newest: list[Json] = field(default_factory=list)
    down: Callable[[httpx.Request], bool] = lambda _: False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as the load balancer would."""
        if self.down(request):
            return httpx.Response(503, json={"error": "Unavailable", "detail": "no target"})
        token = request.headers["authorization"].removeprefix("Bearer ")
        path = request.url.path
        if path in {"/v1/readings", "/v1/ping"}:
            return self._at_the_door(request, token)
        if token != TOKEN and not self.opens_to_anybody:
            return httpx.Response(401, json={"error": "Unauthorized", "detail": "no such token"})
        if path == "/v1/predictions/latest":
            return _page(self.newest)
        if path == "/v1/predictions":
            return _page(self.predictions)
        if path.startswith("/v1/models/"):
            return httpx.Response(200, json=self.model)
        if path == "/v1/tags":
            return _page([{"gateway_id": g, "tag": t} for g, t in self.discovered])
        return self._named(request, path.removeprefix("/v1/").split("/"))

    @property
    def left(self) -> set[str]:
        """Everything that was made and is still there."""
        listed = {str(item["asset"]) for item in self.newest} | {g for g, _ in self.discovered}
        return self.gateways | self.asset_types | self.assets | self.bindings | listed

    def _named(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
        kept: set[str] = getattr(self, parts[0].replace("-", "_"))
        field_name = "gateway_id" if parts[0] == "gateways" else "name"
        if len(parts) == 1:
            return _page([{field_name: name} for name in sorted(kept)])
        name = parts[1]
        if parts[2:] == ["keys"]:
            return httpx.Response(201, json={"key_id": "1", "key": f"psk_{name}_{'a' * 64}"})
        if request.method == "DELETE":
            if parts[0] == "gateways":
                self.discovered = [(g, tag) for g, tag in self.discovered if g != name]
            if parts[0] == "assets":
                self.newest = [item for item in self.newest if item["asset"] != name]
            elif name not in kept:
                return httpx.Response(404, json={"error": "NotFound", "detail": name})
            kept.discard(name)
            return httpx.Response(204)
        kept.add(name)
        return httpx.Response(200, json={field_name: name})

    def _at_the_door(self, request: httpx.Request, token: str) -> httpx.Response:
        gateway = next((g for g in self.gateways if token.startswith(f"psk_{g}_")), None)
        if gateway is None:
            return httpx.Response(401, json={"error": "Unauthorized", "detail": "no such key"})
        if request.url.path == "/v1/ping":
            return httpx.Response(200, json={"gateway_id": gateway})
        readings = json.loads(request.content)["readings"]
        self._take(gateway, readings)
        counts = {"accepted": len(readings) - self.rejects, "rejected_count": self.rejects}
        return httpx.Response(200, json={**counts, "by_reason": {}})

    def _take(self, gateway: str, readings: list[Json]) -> None:
        self.sent += readings
        loose = [r["tag"] for r in readings if "/LOOSE/" in r["tag"]]
        if self.lists_tags:
            self.discovered += [(gateway, tag) for tag in loose]
        if self.predicts and self.bindings and not loose:
            event_time = max(r["at"] for r in readings)
            (asset,) = self.bindings
            item = {"asset": asset, "event_time": event_time, "value": 0.5}
            model = {"model": self.model["model"], "model_version": self.model["version"]}
            self.predictions.append({**item, **model})
            self.newest = [self.predictions[-1]]


def _page(items: list[Json]) -> httpx.Response:
    return httpx.Response(200, json={"items": items, "next": None})


def scene_at(
    deployment: Callable[[httpx.Request], httpx.Response],
    *,
    model: str = "",
    token: str = TOKEN,
    clock: FakeClock | None = None,
    seconds: float = 30.0,
) -> Scene:
    """A smoke test of a fake deployment, at noon."""
    clock = clock or FakeClock()
    transport = httpx.MockTransport(deployment)
    return Scene(
        url=URL,
        penstock=Penstock(URL, token, transport=transport),
        names=NAMES,
        patience=Patience(seconds, now=clock.now, wait=clock.wait),
        model=model,
        transport=transport,
        utc_now=clock.utc_now,
    )
