"""The keys of an issuer: cached, read anew by need and by age, kept while the issuer is down."""

import asyncio
import math
from collections.abc import Iterable, Mapping
from typing import cast

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from penstock.domain.errors import Unavailable
from penstock.domain.time import HOUR, SECOND, Micros
from penstock.ports import Clock, Issuer
from penstock.runtime.telemetry import Metrics

MAX_KEYS = 64
_FLOOR = Micros(10 * SECOND)
"""Between two reads, so that made-up key ids cannot turn into a flood on the issuer."""
_MAX_AGE = HOUR
"""After that even known keys are asked for again: the issuer may have withdrawn one."""
_MIN_RSA_BITS = 2048

log = structlog.get_logger()


class IssuerKeys:
    """Finds the key that a token names; at most one read of the issuer is under way."""

    def __init__(self, issuer: Issuer, clock: Clock, metrics: Metrics) -> None:
        """Start without keys: the first token asks for them."""
        self._issuer = issuer
        self._clock = clock
        self._metrics = metrics
        self._keys: Mapping[str, PyJWK] = {}
        self._tried_at: Micros | None = None
        self._has_failed = False
        self._reading: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> PyJWK | None:
        """Find a key by its id; None where the issuer has no such key.

        Raise Unavailable where that cannot be told: the key is not among the kept ones, and the
        last read has failed.
        """
        if self._reading is None and self._is_due(kid):
            self._reading = asyncio.create_task(self._read(), name="issuer-keys.read")
        if self._reading is not None and kid not in self._keys:
            # Shielded: a caller who hangs up must not undo the read that others wait for.
            await asyncio.shield(self._reading)
        key = self._keys.get(kid)
        if key is None and self._has_failed:
            raise Unavailable(
                "the issuer's keys cannot be read at present, so no token of it can be checked",
                retry_after_seconds=self._seconds_to_next_read(),
            )
        return key

    async def close(self) -> None:
        """End a read that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    def _is_due(self, kid: str) -> bool:
        if self._tried_at is None:
            return True
        age = self._clock.now() - self._tried_at
        limit = _MAX_AGE if kid in self._keys and not self._has_failed else _FLOOR
        return not 0 <= age < limit  # below 0 the machine's clock was put back

    def _seconds_to_next_read(self) -> float:
        since = self._clock.now() - (self._tried_at or 0)
        return math.ceil(max(SECOND, _FLOOR - since) / SECOND)

    async def _read(self) -> None:
        self._tried_at = self._clock.now()
        try:
            keys = usable_keys(await self._issuer.read_keys())
        except Unavailable as error:
            self._has_failed = True
            self._metrics.count("issuer_reads", outcome="failed")
            log.warning("issuer_keys.not_read", reason=str(error), kept=len(self._keys))
        else:
            self._keys, self._has_failed = keys, False
            self._metrics.count("issuer_reads", outcome="read")
            log.info("issuer_keys.read", count=len(keys))
        finally:
            self._reading = None


def usable_keys(entries: Iterable[Mapping[str, object]]) -> dict[str, PyJWK]:
    """Pick the public keys that sign with RS256 or ES256, by their ids, each bound to its one.

    A secret (`oct`) is no key here, whatever it says: who reads it could sign with it.
    Raise Unavailable where none is left, since then the issuer is not what it was.
    """
    found: dict[str, PyJWK] = {}
    for entry in list(entries)[:MAX_KEYS]:
        kid = entry.get("kid")
        algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(entry.get("kty")))
        is_for_it = entry.get("alg", algorithm) == algorithm and entry.get("use", "sig") == "sig"
        if not isinstance(kid, str) or algorithm is None or not is_for_it:
            continue
        try:
            key = PyJWK(cast("dict[str, object]", entry), algorithm)
        except (PyJWTError, ValueError, TypeError, AttributeError):
            continue  # of a shape that nobody can check with; the others still serve
        if _is_strong(key):
            found[kid] = key
    if not found:
        raise Unavailable("there is no key for RS256 or ES256 among the issuer's")
    return found


def _is_strong(key: PyJWK) -> bool:
    match key.key:
        case RSAPublicKey() as rsa:
            return rsa.key_size >= _MIN_RSA_BITS
        case EllipticCurvePublicKey() as curve:
            return isinstance(curve.curve, SECP256R1)
        case _:
            return False
