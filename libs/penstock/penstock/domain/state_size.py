"""How large an asset's frame state will be, told before a binding is made."""

from penstock.domain.frames import NEEDS_SPAN, FrameDefinition
from penstock.domain.time import SECOND, Micros

_SAMPLE_BYTES = 12
"""What a sample takes in a stored state, by and large."""


def state_bytes(definition: FrameDefinition, *, period: Micros = SECOND) -> int:
    """Estimate what an asset's state takes for a frame whose tags change once a `period`."""
    by_tag: dict[str, int] = {}
    for feature in definition.features:
        span = feature.over if feature.aggregate in NEEDS_SPAN else 0
        span = max(span, definition.context * definition.every)
        samples = max(definition.lookback(), span // period)
        by_tag[feature.tag] = max(by_tag.get(feature.tag, 0), samples)
    return sum(by_tag.values()) * _SAMPLE_BYTES
