"""When pumps fail: at most once per stretch of eight days, drawn from asset and stretch alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penstock_local.plant.noise import Floats, Keys, Times, uniform

HOUR_MS = 3_600_000
STRETCH_MS = 8 * 24 * HOUR_MS
FAILURE_SHARE = 0.75
LABEL_WITHIN_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of machines at times, as arrays of one shape."""

    wear: Floats
    """0 when sound, rising to about 1 in the day or two before a failure."""
    is_down: npt.NDArray[np.bool_]
    down_ms: Floats
    """Time since the failure, while down."""
    fails_soon: npt.NDArray[np.bool_]


def failure_times(keys: Keys | np.uint64, stretch: Times) -> Times:
    """Return the time of each stretch's failure, -1 where there is none."""
    # Early enough for the repair, late enough for the wear, to lie in the same stretch.
    at = (0.35 + 0.55 * uniform(keys, stretch * 8)) * STRETCH_MS
    fails = uniform(keys, stretch * 8 + 1) < FAILURE_SHARE
    return np.where(fails, stretch * STRETCH_MS + at.astype(np.int64), -1)


def condition_at(keys: Keys | np.uint64, times: Times) -> Condition:
    """Work out the condition from the failure of the stretch that each time lies in."""
    stretch = times // STRETCH_MS
    failure = failure_times(keys, stretch)
    lead = (20 + 24 * uniform(keys, stretch * 8 + 2)) * HOUR_MS
    severity = 0.7 + 0.6 * uniform(keys, stretch * 8 + 3)
    repair = (1 + 3 * uniform(keys, stretch * 8 + 4)) * HOUR_MS
    left = np.where(failure >= 0, failure - times, np.int64(2 * STRETCH_MS))
    fails = failure >= 0
    wears = fails & (left > 0) & (left <= lead)
    down = fails & (left <= 0) & (-left < repair)
    return Condition(
        wear=np.where(wears, (1 - left / lead) * severity, 0.0),
        is_down=down,
        down_ms=np.where(down, -left, 0).astype(np.float64),
        fails_soon=fails & (left > 0) & (left <= LABEL_WITHIN_MS),
    )
