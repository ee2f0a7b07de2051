"""What a smoke test makes and sends: names that tell when, bodies, and what is left of others."""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

SITE = "smoke"
"""All smoke assets stand here; the site itself stays, since sites are never removed."""
LOOSE_TAGS = ("A", "B", "C")
MOST_SAMPLES = 1_000
_NAME = re.compile(r"smoke-(\d{8}t\d{6}z)-[0-9a-f]{6}")
_TIME = "%Y%m%dt%H%M%Sz"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that one smoke test makes has one name, which tells when it began."""

    name: str

    @property
    def prefix(self) -> str:
        """Below it are all of its tags."""
        return f"/SMOKE/{self.name}"

    @property
    def asset_prefix(self) -> str:
        """Below it are the tags of its asset."""
        return f"{self.prefix}/ASSET"

    @property
    def loose(self) -> list[str]:
        """Tags that belong to no asset, so that they are listed as discovered."""
        return [f"{self.prefix}/LOOSE/{tag}" for tag in LOOSE_TAGS]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model must be sent so that it is asked: its tags, and how many values of each.

    `values` has a value by tag: a number, or a text where the model knows texts.
    """

    model: str
    values: dict[str, float | str]
    samples: int = 1


def new_names(now: datetime) -> Names:
    """Choose a name that no other smoke test has."""
    return Names(f"smoke-{now.astimezone(UTC).strftime(_TIME)}-{secrets.token_hex(3)}")


def leftovers(names: Iterable[str], *, now: datetime, older_than: timedelta) -> list[str]:
    """Pick what smoke tests made that were killed: by name, and old enough to have ended."""
    return [name for name in names if (at := _began_at(name)) and now - at > older_than]


def asked_of(version: Json) -> Asked:
    """Work out from a model version what to send; raise ValueError for frames that cannot be."""
    frame = version["frame"]
    model, mode = version["model"], frame["mode"]
    if mode == "row":
        return Asked(model, _values(frame["features"]))
    if mode == "window" and 0 < frame.get("samples", 0) <= MOST_SAMPLES:
        return Asked(model, _values(frame["features"]), samples=frame["samples"])
    raise ValueError(
        f"model {model} takes a frame of mode {mode}, which a smoke test cannot fill:"
        " rows, and windows of up to 1,000 samples are understood"
    )


def loose_body(names: Names, now: datetime) -> Json:
    """Make a body of readings that belong to no asset."""
    return _body([(tag, 1.0, now) for tag in names.loose])


def scan_body(names: Names, asked: Asked, now: datetime) -> Json:
    """Make a body that fills a frame of the asset as of now."""
    times = [now - timedelta(seconds=back) for back in reversed(range(asked.samples))]
    return _body(
        [
            (f"{names.asset_prefix}/{tag}", value, at)
            for tag, value in asked.values.items()
            for at in times
        ]
    )


def _body(readings: Sequence[tuple[str, float | str, datetime]]) -> Json:
    return {
        "readings": [
            {"tag": tag, "value": value, "quality": "good", "at": iso(at)}
            for tag, value, at in readings
        ]
    }


def iso(at: datetime) -> str:
    """Write a time as bodies have it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _values(features: Iterable[Json]) -> dict[str, float | str]:
    return {
        feature["tag"]: categories[0] if (categories := feature.get("categories")) else 1.0
        for feature in features
    }


def _began_at(name: str) -> datetime | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
