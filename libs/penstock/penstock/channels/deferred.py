"""Queue `deferred`: finished frames that wait for their endpoint; redriving needs no state."""

import msgspec

from penstock.channel import Channel, Envelope, Queue
from penstock.domain.time import Micros

VERSION = 1


class FrameRow(msgspec.Struct, frozen=True, array_like=True):
    """One finished frame with all that its prediction will need; a missing feature is null.

    `variant` names the one variant that must answer; empty leaves it to the endpoint's weights.
    """

    binding: str
    asset: str
    site: str
    asset_type: str
    model: str
    model_version: str
    endpoint: str
    event_time: Micros
    run: str
    revision: int
    features: list[float | None]
    features_missing: int
    quality: int
    flags: int
    received_at: Micros
    trace: str
    threshold: float | None
    variant: str = ""


class DeferredMessage(Envelope, frozen=True, kw_only=True):
    """Frames of one endpoint, not to be sent before a time; `attempts` counts the tries."""

    endpoint: str
    not_before: Micros
    reason: str
    rows: list[FrameRow]


def _worst_case() -> DeferredMessage:
    row = FrameRow(
        "b" * 64, "a" * 64, "s" * 64, "t" * 64, "m" * 64, "v99999", "e" * 63, Micros(2**53),
        "live", 2**31, [1 / 3] * 1_000, 999, 2, 15, Micros(2**53), "t" * 55, 1 / 3,
        "v99999",
    )  # fmt: skip
    return DeferredMessage(
        version=VERSION, id="p" * 26, created_at=Micros(2**53), endpoint="e" * 63,
        not_before=Micros(2**53), reason="x" * 500, rows=[row] * 40,
    )  # fmt: skip


CHANNEL = Channel(
    name="deferred",
    carrier=Queue("deferred", visibility_seconds=120),
    message=DeferredMessage,
    version=VERSION,
    worst_case=_worst_case,
)
