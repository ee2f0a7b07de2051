"""A plant of many tags, and bodies of readings as its gateways send them.

A gateway has up to 1,000 tags and an asset 20. A gateway sends asset after asset, 100 readings a
body, in an order that changes from scan to scan, as does that of an asset's tags; gateways take
turns. Values are normally distributed
with two to four decimals, times lie anywhere in the second before the body arrives, and bodies
arrive at random (exponential gaps): nothing repeats that would compress too well.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.domain.assets import AppliesTo, Asset, Binding, Context
from penstock.domain.frames import Feature, FrameDefinition, FrameMode
from penstock.domain.ids import AssetName, BindingName, GatewayId, TagPath

from benchmarks.queueing.loop import time_of_day

READINGS = 100
"""Of one body."""
_OF_GATEWAY, _OF_ASSET = 1_000, 20
_SENSORS = [f"SENSOR{number:02}" for number in range(_OF_ASSET)]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A body of `READINGS` readings at the door, `at` seconds after the start."""

    at: float
    gateway: GatewayId
    body: bytes


@dataclass(frozen=True, slots=True)
class Plant:
    """So many tags, at least a body's."""

    tags: int

    @property
    def gateways(self) -> list[GatewayId]:
        return [GatewayId(f"gw-{n:04}") for n in range(-(-self.tags // _OF_GATEWAY))]

    def context(self) -> Context:
        """Every asset with a binding to one model, whose frame has all its tags."""
        assets = tuple(
            Asset(AssetName(f"M-{n:05}"), "SITE", "machine", (TagPath(_machine(n)),))
            for n in range(-(-self.tags // _OF_ASSET))
        )
        features = tuple(Feature(sensor.lower(), sensor) for sensor in _SENSORS)
        frame = FrameDefinition(mode=FrameMode.ROW, features=features)
        applies_to = AppliesTo(asset_type="machine")
        binding = Binding(BindingName("wear"), applies_to, "wear", frame=frame)
        return Context(version=1, assets=assets, bindings=(binding,))

    def arrivals(self, *, readings: int, per_second: float, seed: int = 7) -> list[Arrival]:
        draw = random.Random(seed)
        scans = [self._scans(n, draw) for n in range(len(self.gateways))]
        made, at = [], 0.0
        for number in range(readings // READINGS):
            at += draw.expovariate(per_second / READINGS)
            gateway = number % len(scans)
            body = _body(next(scans[gateway]), at, draw)
            made.append(Arrival(at, self.gateways[gateway], body))
        return made

    def _scans(self, gateway: int, draw: random.Random) -> Iterator[list[int]]:
        numbers = range(gateway * _OF_GATEWAY, min(self.tags, (gateway + 1) * _OF_GATEWAY))
        while True:
            order = {asset: draw.random() for asset in {n // _OF_ASSET for n in numbers}}
            tags = sorted(numbers, key=lambda n: (order[n // _OF_ASSET], draw.random()))
            yield from (tags[start : start + READINGS] for start in range(0, len(tags), READINGS))


def _body(tags: list[int], at: float, draw: random.Random) -> bytes:
    """N3uron's JSON Compact: one event of each tag."""
    now = time_of_day(at) // 1_000
    events = [
        f'"{_path(tag)}":[{{"v":{draw.gauss(70, 5):.{2 + tag % 3}f},"q":192,'
        f'"ts":{now - draw.randrange(1_000)}}}]'
        for tag in tags
    ]
    return f"{{{','.join(events)}}}".encode()


def _path(tag: int) -> str:
    return f"{_machine(tag // _OF_ASSET)}/{_SENSORS[tag % _OF_ASSET]}"


def _machine(number: int) -> str:
    return f"/SITE{number // 500:03}/MACHINE{number:05}"
