"""Queue `corrections`: assets and event-time ranges to recompute from the archive."""

from penstock.channel import Channel, Envelope, Queue
from penstock.domain.time import Micros

VERSION = 1


class CorrectionMessage(Envelope, frozen=True, kw_only=True):
    """Recompute what the asset's bindings made of [since, until].

    Every pack of `packs` must be in the archive first: its ledger says so.
    `revision` is that of the state which asked for it, so that what a later reading made anew
    wins over what is computed here; 0 leaves it to the state's version at the time.
    """

    asset: str
    since: Micros
    until: Micros
    packs: list[str]
    reason: str
    run: str = "live"
    revision: int = 0


def _worst_case() -> CorrectionMessage:
    return CorrectionMessage(
        version=VERSION, id="p" * 26, created_at=Micros(2**53), asset="a" * 64,
        since=Micros(2**53), until=Micros(2**53), packs=["p" * 26] * 1_000, reason="x" * 200,
    )  # fmt: skip


CHANNEL = Channel(
    name="corrections",
    carrier=Queue("corrections", visibility_seconds=120),
    message=CorrectionMessage,
    version=VERSION,
    worst_case=_worst_case,
)
