"""Tokens of an OIDC issuer: PyJWT checks the signature, a pure function judges the claims."""

import math
import re
from collections.abc import Mapping

import jwt
import msgspec

from penstock.domain.time import SECOND, Micros, to_iso
from penstock.ports import Clock, Issuer
from penstock.runtime.auth import RANK, Caller, Refusal
from penstock.runtime.issuer_keys import IssuerKeys
from penstock.runtime.settings import OidcSettings, Role
from penstock.runtime.telemetry import Metrics

MAX_TOKEN_BYTES = 16 * 1024
"""A load balancer of AWS takes no longer header line; a token with many groups has a few KiB."""
ALGORITHMS = ("RS256", "ES256")
"""Never `none`, and never HS256: with that, who knows the public key could sign."""

_LEEWAY = Micros(30 * SECOND)
_TYPES = {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}
_LAST_YEAR = 253_402_300_799  # 9999, in seconds: what can be written as a date
_MAX_NAME = 255
_EMAIL = re.compile(r"[^\s()]+@[^\s()]+")  # nothing that could pass for the subject behind it

_UNREADABLE = Refusal("the token is neither known here nor a JSON Web Token of the issuer")
_FORGED = Refusal("the token's signature is not of the issuer")


def tokens_of(
    settings: OidcSettings, issuer: Issuer, clock: Clock, metrics: Metrics
) -> "OidcTokens | None":
    """Make the judge of an issuer's tokens; None where the settings name no issuer."""
    return OidcTokens(settings, issuer, clock, metrics) if settings.issuer else None


class OidcTokens:
    """Knows callers by the tokens of one issuer."""

    def __init__(
        self, settings: OidcSettings, issuer: Issuer, clock: Clock, metrics: Metrics
    ) -> None:
        """Keep the rules; nothing is read before the first token comes."""
        self._rules = settings
        self._clock = clock
        self._keys = IssuerKeys(issuer, clock, metrics)
        self._jws = jwt.PyJWS(ALGORITHMS, options={"enforce_minimum_key_length": True})

    async def close(self) -> None:
        """End what is under way."""
        await self._keys.close()

    async def judge(self, token: str) -> Caller | Refusal:
        """Tell whose token it is, or what is wrong with it in words that hold nothing of it.

        Raise Unavailable where the issuer's keys are needed and cannot be had.
        """
        if len(token) > MAX_TOKEN_BYTES:
            return Refusal(f"the token is longer than {MAX_TOKEN_BYTES} bytes")
        kid = self._key_id(token)
        if isinstance(kid, Refusal):
            return kid
        key = await self._keys.find(kid)
        if key is None:
            return Refusal(
                f"the token is signed with a key that {self._rules.issuer} does not publish:"
                " it is of another issuer, or of a key that was withdrawn; sign in again"
            )
        try:
            # The key tells the algorithm; that the token names the same is checked, not obeyed.
            payload = self._jws.decode(token, key, [key.algorithm_name])
            claims = msgspec.json.decode(payload, type=dict[str, object])
        except jwt.InvalidTokenError:
            return _FORGED
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _UNREADABLE
        return judge_claims(claims, self._rules, self._clock.now())

    def _key_id(self, token: str) -> str | Refusal:
        try:
            header = self._jws.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return _UNREADABLE
        if header.get("alg") not in ALGORITHMS:
            return Refusal(f"the token is not signed with {' or '.join(ALGORITHMS)}")
        # A logout token, say, is of the same issuer and for the same client, yet nobody's pass.
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            return Refusal("the token is no access or id token")
        kid = header.get("kid")
        return kid if isinstance(kid, str) else Refusal("the token names no key (kid)")


def judge_claims(
    claims: Mapping[str, object], rules: OidcSettings, now: Micros
) -> Caller | Refusal:
    """Judge claims whose signature holds: whose they are, for whom, until when, in which role."""
    if claims.get("iss") != rules.issuer:
        return Refusal(f"the token is not of the issuer {rules.issuer}")
    if fault := _time_fault(claims, now) or _audience_fault(claims, rules.audiences):
        return Refusal(fault)
    name = _name_of(claims)
    if name is None:
        return Refusal("the token names no subject (sub)")
    groups = _groups_in(claims, rules.groups_claim)
    roles: list[Role] = [rules.role_by_group[g] for g in groups if g in rules.role_by_group]
    if not roles:
        return Refusal(
            f"you are known, but have no role: the token's {rules.groups_claim} names none of the"
            f" groups {', '.join(sorted(rules.role_by_group))}; ask an administrator for one,"
            " then sign in again",
            status=403,
        )
    return Caller(name, max(roles, key=RANK.__getitem__))


def _time_fault(claims: Mapping[str, object], now: Micros) -> str | None:
    ends_at = _instant(claims.get("exp"))
    if ends_at is None:
        return "the token does not say when it expires (exp)"
    if now >= ends_at + _LEEWAY:
        return f"the token expired at {to_iso(ends_at)}; sign in again"
    if "nbf" not in claims:
        return None
    begins_at = _instant(claims["nbf"])
    if begins_at is None:
        return "the token does not say in seconds since when it holds (nbf)"
    if now + _LEEWAY < begins_at:
        return f"the token holds from {to_iso(begins_at)} on"
    return None


def _instant(seconds: object) -> Micros | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not math.isfinite(seconds) or not 0 <= seconds <= _LAST_YEAR:
        return None
    return Micros(int(seconds) * SECOND)


def _audience_fault(claims: Mapping[str, object], audiences: frozenset[str]) -> str | None:
    # Cognito's access tokens have no `aud`: they name their client, and say that they are such.
    if "aud" not in claims and claims.get("token_use") == "access":
        named = claims.get("client_id")
    else:
        named = claims.get("aud")
    many = named if isinstance(named, list) else [named]
    if any(isinstance(name, str) and name in audiences for name in many):
        return None
    return "the token is made for another application (aud, or client_id of an access token)"


def _name_of(claims: Mapping[str, object]) -> str | None:
    """Name for the audit: the subject, which the issuer vouches for, behind the readable email."""
    subject = _printable(claims.get("sub"))
    if subject is None:
        return None
    email = _printable(claims.get("email"))
    is_doubtful = claims.get("email_verified") in (False, "false")
    if email is None or is_doubtful or not _EMAIL.fullmatch(email):
        return f"oidc:{subject}"
    return f"{email} (oidc:{subject})"


def _printable(text: object) -> str | None:
    if isinstance(text, str) and 0 < len(text) <= _MAX_NAME and text.isprintable():
        return text
    return None


def _groups_in(claims: Mapping[str, object], path: str) -> list[str]:
    found: object = claims.get(path)
    if found is None and "." in path:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    many = found if isinstance(found, list) else [found]
    return [group for group in many if isinstance(group, str)]
