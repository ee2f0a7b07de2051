"""Randomness without a state: every number is a hash of a key and a counter.

So any stretch of time can be made at once, in any order, and is the same each time.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key_of(*parts: object) -> np.uint64:
    """Return the key of a named stream of numbers, the same on every machine."""
    text = "\x1f".join(map(str, parts)).encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "big"))


def uniform(keys: Keys | np.uint64, counters: npt.ArrayLike) -> Floats:
    """Draw from [0, 1), one number per key and counter; both may be broadcast."""
    # The multiplications are meant to wrap around.
    with np.errstate(over="ignore"):
        mixed = np.asarray(counters, np.int64).astype(np.uint64) * _STEP + keys
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(keys: Keys | np.uint64, counters: npt.ArrayLike) -> Floats:
    """Draw from a bell of mean 0 and deviation 1, cut off at 3.5: four uniform draws added up."""
    wide = np.asarray(counters, np.int64) * 4
    total = sum(uniform(keys, wide + part) for part in range(4))
    return np.asarray((total - 2.0) * np.sqrt(3.0), np.float64)


def smooth(keys: Keys | np.uint64, times: Times, period_ms: int) -> Floats:
    """Wander around 0 with deviation of about 0.8, taking new values every `period_ms`."""
    knot = times // period_ms
    part = (times - knot * period_ms) / period_ms
    weight = part * part * (3 - 2 * part)
    return normal(keys, knot) * (1 - weight) + normal(keys, knot + 1) * weight
