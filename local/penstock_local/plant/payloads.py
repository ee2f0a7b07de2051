"""What gateways POST: the bodies, and beside each what stands in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from penstock_local.plant.samples import iso_time

Shape = Literal["compact", "verbose", "script"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One reading on its way; a sequence counts as one whose value is a list."""

    tag: str
    value: Any
    quality: int | None
    at_ms: int

    def as_log(self) -> dict[str, Any]:
        return {
            "tag": self.tag,
            "value": self.value,
            "quality": self.quality,
            "at": iso_time(self.at_ms),
        }


@dataclass(frozen=True, slots=True)
class Payload:
    """One body and its readings."""

    body: bytes
    readings: Sequence[Sent]


def shape_readings(readings: Sequence[Sent], shape: Shape, gateway: str) -> Payload:
    """Word readings as N3uron does: by MQTT ("JSON Compact"), the same in long words, or by the
    script that gateways are given for the REST client.
    """
    body: Any
    match shape:
        case "compact":
            body = _by_tag(readings, ("v", "q", "ts"))
        case "verbose":
            body = _by_tag(readings, ("value", "quality", "ts"))
        case "script":
            values = [
                {"path": r.tag, "value": r.value, "quality": r.quality, "ts": r.at_ms}
                for r in readings
            ]
            body = {"gateway": gateway, "values": values}
    return Payload(msgspec.json.encode(body), readings)


def _by_tag(readings: Sequence[Sent], names: tuple[str, str, str]) -> dict[str, Any]:
    events: dict[str, list[dict[str, Any]]] = {}
    for reading in readings:
        event = dict(zip(names, (reading.value, reading.quality, reading.at_ms), strict=True))
        events.setdefault(reading.tag, []).append(event)
    return events


def shape_sequence(at_ms: int, sensor: str, model: str, data: list[int]) -> Payload:
    """Word a sensor's numbers for a model."""
    body = {"timestamp": at_ms, "sensor": sensor, "model": model, "data": data}
    return Payload(msgspec.json.encode(body), [Sent(sensor, data, None, at_ms)])


def shape_air_quality(at_ms: int, sensor: str, measured: dict[str, float]) -> Payload:
    """Word what a station for air quality measures; each number is a reading of its own."""
    body = {"sensor": sensor, **measured, "timestamp": at_ms}
    readings = [Sent(f"/{sensor}/{name}", v, None, at_ms) for name, v in measured.items()]
    return Payload(msgspec.json.encode(body), readings)
