"""Gateways: what each may send and how it is understood, the keys that prove it, their store.

A key reads `psk_<gateway>_<secret>`.
The secret is 256 random bits, so a plain SHA-256 of it cannot be searched; it is bound to the
gateway's id, shown once, and compared in constant time.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from penstock.bodies import Body, Name
from penstock.domain.errors import NotFound, VersionConflict
from penstock.domain.ids import GatewayId
from penstock.domain.time import Micros
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import GATEWAYS

QualityScheme = Literal["n3uron", "opc_da", "opc_ua", "ignition", "sparkplug", "bool", "text"]
QualityName = Literal["good", "uncertain", "bad"]

AUTO = "auto"
EVERYWHERE = "/"
"""As an allowed path: every tag, whatever its spelling."""

_KEY = re.compile(r"psk_([A-Za-z0-9][A-Za-z0-9._-]{0,62})_([0-9a-f]{64})")
_SECRET_BYTES = 32
_ATTEMPTS = 5

GatewayName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""Id of a gateway: no colon, since a key must pass as the user of HTTP Basic."""


class QuotaBody(Body):
    """What a gateway may send per second; 0 means no limit."""

    readings_per_second: Annotated[float, Field(ge=0)] = 0
    bytes_per_second: Annotated[float, Field(ge=0)] = 0


class GatewayBody(Body):
    """`PUT /v1/gateways/{gateway_id}`: how the payloads of one gateway are understood and judged.

    `paths` are prefixes of the tags that it may name (`/` allows all), `models` those that its
    sequences may name (none listed allows any). `tags` counts only where `unknown_tags` is
    `reject`. `time_zone` is that of ISO times without a zone; without it such times are refused.
    """

    gateway_id: GatewayName
    description: Annotated[str, Field(max_length=500)] = ""
    enabled: bool = True
    paths: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] = (EVERYWHERE,)
    models: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    format: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")] = AUTO
    quality_scheme: QualityScheme = "n3uron"
    default_quality: QualityName = "good"
    time_zone: str | None = None
    unknown_tags: Literal["accept", "reject"] = "accept"
    tags: Annotated[tuple[str, ...], Field(max_length=2_000)] = ()
    on_over_quota: Literal["429", "accept_and_alert"] = "429"
    quota: QuotaBody = QuotaBody()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError(
                    f"{name!r} is not an IANA time zone such as Europe/Rome"
                ) from error
        return name

    @field_validator("paths", "tags")
    @classmethod
    def _no_empty_path(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        if any(not 0 < len(path) <= 255 for path in paths):
            raise ValueError("a path has 1 to 255 characters")
        return paths


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """One key of a gateway, without its secret; `expires_at` ends the overlap of a rotation."""

    key_id: str
    digest: str
    created_at: Micros
    label: str = ""
    expires_at: Micros | None = None

    def is_valid(self, at: Micros) -> bool:
        """Whether the key opens the door at that time."""
        return self.expires_at is None or at < self.expires_at


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was just made: the only time that its text exists outside the gateway."""

    key_id: str
    key: SecretStr


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway as stored: settings, keys, and when somebody last knocked with a wrong key."""

    settings: GatewayBody
    keys: tuple[GatewayKey, ...]
    version: int
    created_at: Micros
    updated_at: Micros
    last_bad_key_at: Micros | None = None

    @property
    def gateway_id(self) -> GatewayId:
        """Name of the gateway, as its key carries it."""
        return GatewayId(self.settings.gateway_id)

    def matching_key(self, secret: str, at: Micros) -> GatewayKey | None:
        """Find the valid key of that secret; looks at every key, so that time tells nothing."""
        digest = _digest(self.gateway_id, secret)
        match = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest) and key.is_valid(at):
                match = key
        return match


def split_key(key: str) -> tuple[GatewayId, str] | None:
    """Take a key apart into gateway and secret; None where it cannot be one of ours."""
    match = _KEY.fullmatch(key)
    return (GatewayId(match[1]), match[2]) if match else None


def make_key(
    gateway_id: GatewayId, *, at: Micros, label: str = "", expires_at: Micros | None = None
) -> tuple[IssuedKey, GatewayKey]:
    """Make a key: what is shown once, and what is stored."""
    secret = secrets.token_hex(_SECRET_BYTES)
    digest = _digest(gateway_id, secret)
    key_id = digest[:12]
    text = SecretStr(f"psk_{gateway_id}_{secret}")
    return IssuedKey(key_id, text), GatewayKey(key_id, digest, at, label, expires_at)


class GatewayStore:
    """Gateways in the table `gateways`; every change but a note raises the item's `version`."""

    def __init__(self, store: KeyValueStore, clock: Clock) -> None:
        """Keep the table's store and the clock."""
        self._store = store
        self._clock = clock

    async def put(self, settings: GatewayBody, *, if_version: int | None = None) -> Gateway:
        """Create a gateway or replace its settings; its keys stay.

        Raise VersionConflict where `if_version` is given and is not the present version (0: the
        gateway must not exist yet).
        """
        now = self._clock.now()

        def change(known: Gateway | None) -> Gateway:
            if if_version is not None and if_version != (known.version if known else 0):
                raise VersionConflict(
                    f"gateway {settings.gateway_id} was changed by somebody else: read it again"
                )
            if known is None:
                return Gateway(settings, (), 1, now, now)
            return replace(known, settings=settings)

        return await self._change(GatewayId(settings.gateway_id), change)

    async def get(self, gateway_id: GatewayId) -> Gateway:
        """Read a gateway; raise NotFound."""
        gateway = await self.find(gateway_id)
        if gateway is None:
            raise _unknown(gateway_id)
        return gateway

    async def find(self, gateway_id: GatewayId) -> Gateway | None:
        """Read a gateway if there is one."""
        item = await self._store.get(GATEWAYS.name, _key(gateway_id))
        return _gateway(item) if item else None

    async def list(self) -> AsyncIterator[Gateway]:
        """Walk every gateway, in no order."""
        async for item in self._store.scan(GATEWAYS.name):
            yield _gateway(item)

    async def delete(self, gateway_id: GatewayId) -> None:
        """Remove a gateway and its keys; raise NotFound."""
        try:
            await self._store.write(
                Write(GATEWAYS.name, _key(gateway_id), delete=True, present=True)
            )
        except VersionConflict as error:
            raise _unknown(gateway_id) from error

    async def add_key(
        self, gateway_id: GatewayId, *, label: str = "", expires_at: Micros | None = None
    ) -> IssuedKey:
        """Give a gateway one more key; the others stay valid. Raise NotFound."""
        now = self._clock.now()
        issued, stored = make_key(gateway_id, at=now, label=label, expires_at=expires_at)
        await self._change_keys(gateway_id, lambda keys: (*keys, stored))
        return issued

    async def rotate_key(
        self, gateway_id: GatewayId, *, overlap: Micros, label: str = ""
    ) -> IssuedKey:
        """Give a gateway a new key and let all older ones end after the overlap."""
        now = self._clock.now()
        issued, stored = make_key(gateway_id, at=now, label=label)
        end = Micros(now + overlap)

        def ends(key: GatewayKey) -> GatewayKey:
            return key if key.expires_at and key.expires_at < end else replace(key, expires_at=end)

        await self._change_keys(
            gateway_id, lambda keys: (*(ends(key) for key in keys if key.is_valid(now)), stored)
        )
        return issued

    async def revoke_key(self, gateway_id: GatewayId, key_id: str) -> None:
        """Take a key away; raise NotFound where the gateway has no such key."""

        def without(keys: tuple[GatewayKey, ...]) -> tuple[GatewayKey, ...]:
            left = tuple(key for key in keys if key.key_id != key_id)
            if len(left) == len(keys):
                raise NotFound(f"gateway {gateway_id} has no key {key_id}")
            return left

        await self._change_keys(gateway_id, without)

    async def note_bad_key(self, gateway_id: GatewayId, *, at: Micros) -> None:
        """Remember that somebody used the gateway's name with a wrong key; settings stay as is."""
        write = Write(GATEWAYS.name, _key(gateway_id), set={"last_bad_key_at": at}, present=True)
        await self._store.write(write)

    async def _change_keys(
        self,
        gateway_id: GatewayId,
        change: Callable[[tuple[GatewayKey, ...]], tuple[GatewayKey, ...]],
    ) -> None:
        def changed(known: Gateway | None) -> Gateway:
            if known is None:
                raise _unknown(gateway_id)
            return replace(known, keys=change(known.keys))

        await self._change(gateway_id, changed)

    async def _change(
        self, gateway_id: GatewayId, change: Callable[[Gateway | None], Gateway]
    ) -> Gateway:
        """Read, change and write under the version; again where somebody was faster."""
        for _ in range(_ATTEMPTS):
            known = await self.find(gateway_id)
            wanted = change(known)
            try:
                return await self._write(known, wanted)
            except VersionConflict:
                continue
        raise VersionConflict(f"gateway {gateway_id} is being changed by somebody else: try again")

    async def _write(self, known: Gateway | None, wanted: Gateway) -> Gateway:
        key = _key(wanted.gateway_id)
        now = self._clock.now()
        changes = {
            "body": wanted.settings.model_dump_json(),
            "keys": [asdict(stored) for stored in wanted.keys],
            "updated_at": now,
        }
        if known is None:
            item = {**key, **changes, "version": 1, "created_at": now}
            write = Write(GATEWAYS.name, key, put=item, absent=True)
        else:
            require = {"version": known.version}
            write = Write(GATEWAYS.name, key, set=changes, add={"version": 1}, require=require)
        return _gateway(await self._store.write(write))


def _digest(gateway_id: GatewayId, secret: str) -> str:
    return hashlib.sha256(f"{gateway_id}:{secret}".encode()).hexdigest()


def _key(gateway_id: GatewayId) -> dict[str, object]:
    return {"gateway_id": gateway_id}


def _unknown(gateway_id: GatewayId) -> NotFound:
    return NotFound(f"there is no gateway {gateway_id}; create it first")


def _gateway(item: dict[str, object]) -> Gateway:
    keys = cast("list[dict[str, object]]", item["keys"])
    bad_key_at = item.get("last_bad_key_at")
    return Gateway(
        # A newer console may have written fields that this build does not know yet.
        settings=GatewayBody.model_validate_json(cast("str", item["body"]), extra="ignore"),
        keys=tuple(map(_stored_key, keys)),
        version=cast("int", item["version"]),
        created_at=Micros(cast("int", item["created_at"])),
        updated_at=Micros(cast("int", item["updated_at"])),
        last_bad_key_at=None if bad_key_at is None else Micros(cast("int", bad_key_at)),
    )


def _stored_key(key: dict[str, object]) -> GatewayKey:
    known = {field.name: key[field.name] for field in fields(GatewayKey) if field.name in key}
    return GatewayKey(**known)  # type: ignore[arg-type]  # as it was put
