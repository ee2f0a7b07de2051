"""How large an asset's frame state will be, told before a binding is made."""

from penstock.domain.frames import NEEDS_SPAN, FrameDefinition
from penstock.domain.time import SECOND

_SAMPLE_BYTES = 12
"""What a sample takes in a stored state, by and large."""


_SAMPLES_PER_STEP = 60
"""How often a tag is thought to change within a step; no tag more often than once a second."""


def state_bytes(definition: FrameDefinition) -> int:
    """Estimate what an asset's state takes; a tag that changes more often costs corrections."""
    period = max(SECOND, definition.every // _SAMPLES_PER_STEP)
    by_tag: dict[str, int] = {}
    for feature in definition.features:
        span = feature.over if feature.aggregate in NEEDS_SPAN else 0
        span = max(span, definition.context * definition.every)
        samples = max(definition.lookback(), span // period)
        by_tag[feature.tag] = max(by_tag.get(feature.tag, 0), samples)
    return sum(by_tag.values()) * _SAMPLE_BYTES
