"""Names that could be swapped by accident, and ids that a repeat makes again."""

import hashlib
from typing import NewType

from penstock.domain.time import Micros

GatewayId = NewType("GatewayId", str)
AssetName = NewType("AssetName", str)
BindingName = NewType("BindingName", str)
TagPath = NewType("TagPath", str)
PackId = NewType("PackId", str)
JobId = NewType("JobId", str)
DatasetId = NewType("DatasetId", str)
SliceId = NewType("SliceId", str)
PredictionId = NewType("PredictionId", str)
RunId = NewType("RunId", str)

LIVE = RunId("live")

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: sorts as the number does
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)


def sortable_id(at: Micros, entropy: bytes) -> str:
    """26 characters that sort by time: 48 bits of milliseconds, 80 bits of `entropy` (10 bytes).

    The layout is that of ULID (github.com/ulid/spec), in lower case.
    """
    if len(entropy) != 10:
        raise ValueError("entropy must be 10 bytes")
    number = ((at // 1000) & ((1 << 48) - 1)) << 80 | int.from_bytes(entropy, "big")
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])


def digest_id(*parts: str | int) -> str:
    """32 hex characters that depend on every part and on their order."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def prediction_id(
    binding: BindingName, asset: AssetName, event_time: Micros, run: RunId
) -> PredictionId:
    """Identity of a prediction: every repeat and every revision of it has the same."""
    return PredictionId(digest_id(binding, asset, event_time, run))
