"""What the sensors of a pump show: load and weather, wear before a failure, standstill after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from penstock_local.plant.failures import HOUR_MS, Condition, condition_at
from penstock_local.plant.layout import LABEL, Asset, Plant
from penstock_local.plant.noise import Floats, Keys, Times, key_of, normal, smooth, uniform

DAY_MS = 24 * HOUR_MS
YEAR_MS = 365.25 * DAY_MS
TURN = 2 * np.pi
COOLING_MS = 40 * 60_000


@dataclass(frozen=True, slots=True)
class Machines:
    """Some machines of a plant, one row each, ready to be asked for any times."""

    plant: Plant
    assets: Sequence[Asset]

    def keys(self, *stream: object) -> Keys:
        """Return each machine's key of a stream, as a column."""
        names = [key_of(self.plant.seed, asset.prefix, *stream) for asset in self.assets]
        return np.array(names, np.uint64).reshape(-1, 1)

    def line_keys(self, *stream: object) -> Keys:
        names = [key_of(self.plant.seed, a.site, a.line, *stream) for a in self.assets]
        return np.array(names, np.uint64).reshape(-1, 1)

    def site_keys(self, *stream: object) -> Keys:
        names = [key_of(self.plant.seed, a.site, *stream) for a in self.assets]
        return np.array(names, np.uint64).reshape(-1, 1)

    def condition(self, times: Times) -> Condition:
        return condition_at(self.keys("failure"), times)

    def values(self, tag: str, times: Times) -> Floats:
        """Return the value of one tag for every machine (rows) and time (columns or grid)."""
        shape = np.broadcast_shapes((len(self.assets), 1), times.shape)
        exact = np.broadcast_to(_SIGNALS.get(tag, _spare)(self, tag, times), shape)
        values: Floats = np.round(exact, 3)
        return values


def _load(machines: Machines, times: Times) -> Floats:
    """Share of its rated work that a line does: day and week, orders, and a machine's own part."""
    day = 0.08 * np.sin(TURN * times / DAY_MS)
    weekend = np.where((times // DAY_MS + 3) % 7 >= 5, -0.15, 0.0)
    orders = 0.12 * smooth(machines.line_keys("orders"), times, 5 * HOUR_MS)
    own = 0.04 * smooth(machines.keys("load"), times, 20 * 60_000)
    return np.asarray(np.clip(0.75 + day + weekend + orders + own, 0.3, 1.05), np.float64)


def _air(machines: Machines, times: Times) -> Floats:
    """Temperature of the hall in °C."""
    day = 4 * np.sin(TURN * (times / DAY_MS - 0.35))
    year = 7 * np.sin(TURN * (times / YEAR_MS - 0.3))
    weather = 2 * smooth(machines.site_keys("weather"), times, 9 * HOUR_MS)
    return np.asarray(19 + day + year + weather, np.float64)


def _temperature(machines: Machines, _tag: str, times: Times) -> Floats:
    state = machines.condition(times)
    own = 4 * (uniform(machines.keys("temperature", "own"), 0) - 0.5)
    noise = 0.5 * smooth(machines.keys("temperature"), times, 60_000)
    warmth = 22 + own + 18 * _load(machines, times) + 17 * state.wear
    # After a stop the warmth leaves slowly.
    warmth = np.where(state.is_down, 40 * np.exp(-state.down_ms / COOLING_MS), warmth)
    return _air(machines, times) + warmth + noise + _white(machines, "temperature", times, 0.08)


def _vibration(machines: Machines, _tag: str, times: Times) -> Floats:
    state = machines.condition(times)
    own = 0.6 * uniform(machines.keys("vibration", "own"), 0)
    noise = 0.25 * smooth(machines.keys("vibration"), times, 5 * 60_000)
    running = 1.6 + own + 1.2 * _load(machines, times) + 3.4 * state.wear**1.5 + noise
    running += 1.5 * _is_cavitating(machines, times)
    value = np.where(state.is_down, 0.05, running)
    return np.maximum(value + _white(machines, "vibration", times, 0.03), 0.0)


def _is_cavitating(machines: Machines, times: Times) -> Floats:
    """Hours of rough running that harm nothing: vibration alone does not mean a failure."""
    hours = times // (2 * HOUR_MS)
    return (uniform(machines.keys("cavitation"), hours) < 0.03).astype(np.float64)


def _pressure(machines: Machines, _tag: str, times: Times) -> Floats:
    state = machines.condition(times)
    noise = 0.06 * smooth(machines.keys("pressure"), times, 2 * 60_000)
    running = 4.6 + 1.6 * _load(machines, times) - 0.7 * state.wear + noise
    running -= 0.5 * _is_cavitating(machines, times)
    value = np.where(state.is_down, 0.1, running)
    return np.maximum(value + _white(machines, "pressure", times, 0.01), 0.0)


def _current(machines: Machines, _tag: str, times: Times) -> Floats:
    state = machines.condition(times)
    noise = 0.5 * smooth(machines.keys("current"), times, 90_000)
    running = 18 + 36 * _load(machines, times) + 4 * state.wear + noise
    value = np.where(state.is_down, 0.2, running)
    return np.maximum(value + _white(machines, "current", times, 0.1), 0.0)


def _speed(machines: Machines, _tag: str, times: Times) -> Floats:
    state = machines.condition(times)
    noise = 3 * smooth(machines.keys("speed"), times, 45_000)
    running = 1350 + 130 * _load(machines, times) - 12 * state.wear + noise
    value = running + _white(machines, "speed", times, 1.0)
    return np.where(state.is_down, 0.0, value)


def _label(machines: Machines, _tag: str, times: Times) -> Floats:
    return machines.condition(times).fails_soon.astype(np.float64)


def _spare(machines: Machines, tag: str, times: Times) -> Floats:
    return 50 + 10 * smooth(machines.keys(tag), times, 30_000)


def _white(machines: Machines, stream: str, times: Times, deviation: float) -> Floats:
    """Noise of the sensor itself: another value at every time."""
    return deviation * normal(machines.keys(stream, "white"), times)


_SIGNALS: dict[str, Callable[[Machines, str, Times], Floats]] = {
    "TEMP": _temperature,
    "VIBRATION": _vibration,
    "PRESSURE": _pressure,
    "CURRENT": _current,
    "SPEED": _speed,
    LABEL: _label,
}
