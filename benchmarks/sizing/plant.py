"""A plant for measuring: a model of as many features as an asset has tags, and its gateways."""

import csv
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from penstock_client.gateway import GatewaySender, Payload
from penstock_client.sdk import Penstock

ROWS_OF_HISTORY = 4_000
TYPE = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Assets whose tags are all read every second, sent by gateways in bodies of many readings."""

    assets: int
    tags: int
    gateways: int
    readings_per_body: int
    seconds: float

    @property
    def names(self) -> list[str]:
        """Names of the assets."""
        return [f"M-{n:04d}" for n in range(self.assets)]

    @property
    def tag_names(self) -> list[str]:
        """Names of the tags within an asset."""
        return [f"TAG{n:02d}" for n in range(self.tags)]

    @property
    def readings_per_second(self) -> float:
        """Of all gateways together."""
        return float(self.assets * self.tags)


def write_history(path: Path, load: Load) -> None:
    """Write rows whose label follows from two of their columns, so that there is what to learn."""
    random_of = random.Random(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*load.tag_names, "LABEL"])
        for _ in range(ROWS_OF_HISTORY):
            values = [round(random_of.gauss(70, 5), 3) for _ in load.tag_names]
            rows.writerow([*values, int(values[0] + values[-1] > 145)])


def put_assets(penstock: Penstock, load: Load, *, asset_type: str) -> None:
    """Make the assets known under the type whose binding asks the model."""
    for name in load.names:
        body = {"site": "measured", "asset_type": asset_type, "prefixes": [_prefix(name)]}
        penstock.assets.put(name, body)


def stream(penstock: Penstock, url: str, load: Load) -> int:
    """Send every second what all assets say; return how many readings were accepted."""
    names = load.names
    shares = [names[n :: load.gateways] for n in range(load.gateways)]
    keys = []
    for n in range(load.gateways):
        penstock.gateways.put(f"measured-{n}", {"description": "sends a steady load"})
        keys.append(str(penstock.gateways.add_key(f"measured-{n}")["key"]))
    started = threading.Barrier(load.gateways)
    with ThreadPoolExecutor(load.gateways) as pool:
        sent = [
            pool.submit(_send, url, key, load, share, started)
            for key, share in zip(keys, shares, strict=True)
        ]
        return sum(one.result() for one in sent)


def _send(url: str, key: str, load: Load, names: Sequence[str], started: threading.Barrier) -> int:
    random_of = random.Random(names[0] if names else "")
    per_body = max(1, load.readings_per_body // load.tags)
    started.wait()
    begin = time.monotonic()
    with GatewaySender(url, key, patience_seconds=60) as sender:
        for second in range(int(load.seconds)):
            time.sleep(max(0.0, begin + second - time.monotonic()))
            for start in range(0, len(names), per_body):
                sender.send(_body(names[start : start + per_body], load, random_of))
        return sender.totals.accepted


def _body(names: Sequence[str], load: Load, random_of: random.Random) -> Payload:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    readings = [
        {"tag": f"{_prefix(name)}/{tag}", "value": round(random_of.gauss(70, 5), 3), "at": at}
        for name in names
        for tag in load.tag_names
    ]
    return Payload({"readings": readings}, ())


def _prefix(name: str) -> str:
    return f"/MEASURED/{name}"
