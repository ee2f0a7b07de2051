"""What a demonstration is about: where history comes from, what is trained, what streams live."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_client.gateway import SendTotals

from penstock_local.checking.expected import RowBinding

Json = dict[str, Any]
OnSent = Callable[[int], None]
"""Called with the units that were sent since the last call."""

PROBE = "probe-"
"""Assets whose names start so prove the way of a reading; nobody counts their predictions."""


@dataclass(frozen=True, slots=True)
class Live:
    """Where the live readings go, and the log that the checker reads."""

    url: str
    key: str
    log: Path


@dataclass(frozen=True, slots=True)
class Scenario:
    """Data, a model to train from it, and a stream to ask the model about.

    `history` are the arguments of the plant's history server. `send` streams until the end and
    calls back with what it sent of `live_units`. `truth` gives 1 or 0 for predictions of (asset,
    event time), or None where it is not known.
    """

    name: str
    model: str
    history: Sequence[str]
    source_options: Json
    prefix_by_asset: Mapping[str, str]
    asset_type: str
    job: Json
    binding: Json
    checked: RowBinding
    live_units: int
    live_unit: str
    send: Callable[[Live, OnSent], SendTotals]
    truth: Callable[[Sequence[tuple[str, int]]], list[int | None]]

    @property
    def probe_asset(self) -> str:
        """An asset that only proves the way."""
        return f"{PROBE}{self.model}"

    @property
    def probe_prefix(self) -> str:
        """Where the probe's tags are."""
        return f"/PENSTOCK/{self.probe_asset}"

    @property
    def probe_tags(self) -> Sequence[str]:
        """Tags of the probe: those of the frame."""
        return self.checked.tags
