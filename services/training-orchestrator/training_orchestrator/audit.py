"""The audit: one row for every change, written in the change's own transaction."""

from penstock.domain.time import to_iso
from penstock.ports import Clock, Write
from penstock.resources import AUDIT
from penstock.runtime.auth import Caller
from penstock.runtime.clock import new_id


def audited(caller: Caller, action: str, subject: str, clock: Clock) -> Write:
    """Say who changed what."""
    at = to_iso(clock.now())
    key: dict[str, object] = {"day": at[:10], "event_id": new_id(clock)}
    item = {
        **key, "at": at, "who": caller.name, "role": caller.role, "action": action,
        "subject": subject,
    }  # fmt: skip
    return Write(AUDIT.name, key, put=item)
