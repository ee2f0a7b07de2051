"""The gateways of a process: a snapshot that is read again every few seconds, and who may enter.

Without the table the snapshot stands, so that gateways keep sending while DynamoDB is away.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass

import structlog
from penstock.domain.errors import StoreUnavailable, Unavailable
from penstock.domain.ids import GatewayId
from penstock.domain.time import Micros
from penstock.gateways import Gateway, GatewayKey, GatewayStore, split_key
from penstock.ports import Clock
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics
from pydantic import BaseModel, ConfigDict, Field

from ingest_api.answers import Refusal
from ingest_api.quota import Bucket, Quota
from ingest_api.rules import Rules

UNKNOWN = "unknown"
_REMEMBERED_LOOK_UPS = 10_000

log = structlog.get_logger()


class DirectorySettings(BaseModel):
    """How fresh the snapshot is, and how often a key may send us to the table."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    refresh_seconds: float = Field(default=5.0, gt=0)
    """How often all gateways are read anew."""
    look_ups_per_second: float = Field(default=20.0, gt=0)
    """Look-ups of keys that the last reading did not show, all gateways together."""
    look_up_again_seconds: float = Field(default=2.0, ge=0)
    """How long an unknown key is not looked up again."""
    quota_share: float = Field(default=1.0, gt=0, le=1)
    """Part of each gateway's quota that this process may grant: 1 / number of tasks."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownGateway:
    """A gateway with what was prepared for it; replaced whole when its settings change."""

    gateway: Gateway
    rules: Rules
    quota: Quota

    @property
    def gateway_id(self) -> GatewayId:
        """Name of the gateway."""
        return self.gateway.gateway_id


class GatewayDirectory:
    """Knows gateways and opens the door to those with a valid key."""

    def __init__(
        self,
        store: GatewayStore,
        clock: Clock,
        metrics: Metrics,
        settings: DirectorySettings | None = None,
    ) -> None:
        """Start knowing nobody; `refresh` or `run` fills it."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._settings = settings or DirectorySettings()
        self._known: dict[GatewayId, KnownGateway] = {}
        self._is_loaded = False
        self._look_ups = Bucket(self._settings.look_ups_per_second, now=time.monotonic())
        self._looked_up_at: dict[GatewayId, float] = {}
        self._looking_up: dict[GatewayId, asyncio.Future[Unavailable | None]] = {}
        self._bad_key_at: dict[GatewayId, Micros] = {}

    async def open(self, key: str | None) -> tuple[KnownGateway, GatewayKey]:
        """Find the gateway of a key; raise Refusal (401, 403) or Unavailable."""
        parts = split_key(key) if key else None
        if parts is None:
            detail = "send the gateway's key as `Authorization: Bearer psk_...` or `X-API-Key`"
            raise self._refuse_key(UNKNOWN, detail)
        gateway_id, secret = parts
        found = self._match(gateway_id, secret)
        if found is None:
            # The gateway or the key may be newer than the snapshot.
            await self._look_up(gateway_id)
            found = self._match(gateway_id, secret)
        if found is None:
            raise self._refuse_known_key(gateway_id)
        if not found[0].gateway.settings.enabled:
            raise Refusal(403, "Forbidden", f"gateway {gateway_id} is disabled")
        return found

    async def check_loaded(self) -> None:
        """Readiness: raise StoreUnavailable until the gateways were read once."""
        if not self._is_loaded:
            raise StoreUnavailable("the gateways could not be read yet")

    async def refresh(self) -> None:
        """Read every gateway again; what did not change keeps what was prepared for it."""
        started = time.monotonic()
        known = {}
        async for gateway in self._store.list():
            known[gateway.gateway_id] = self._prepared(gateway)
        for gateway_id, looked_up_at in self._looked_up_at.items():
            # Looked up while we read: newer than what we read.
            if looked_up_at >= started and gateway_id in self._known:
                known[gateway_id] = self._known[gateway_id]
        self._known = known
        self._is_loaded = True

    async def run(self, stop: Stop) -> None:
        """Refresh until the end, and note wrong keys for the health view."""
        while not stop.is_set:
            try:
                await self.refresh()
                await self._note_bad_keys()
            except Unavailable as error:
                log.warning("gateways.stale", reason=str(error), gateways=len(self._known))
            await stop.wait_for(self._settings.refresh_seconds)

    def _match(self, gateway_id: GatewayId, secret: str) -> tuple[KnownGateway, GatewayKey] | None:
        known = self._known.get(gateway_id)
        key = known.gateway.matching_key(secret, self._clock.now()) if known else None
        return (known, key) if known and key else None

    def _prepared(self, gateway: Gateway) -> KnownGateway:
        known = self._known.get(gateway.gateway_id)
        if known and known.gateway.version == gateway.version:
            return known
        if known and known.gateway.settings == gateway.settings:
            return KnownGateway(gateway, known.rules, known.quota)
        share = self._settings.quota_share
        quota = Quota(gateway.settings.quota, share=share, now=time.monotonic())
        return KnownGateway(gateway, Rules(gateway.settings), quota)

    async def _look_up(self, gateway_id: GatewayId) -> None:
        """Read one gateway, once for all who ask at the same time, and seldom again."""
        under_way = self._looking_up.get(gateway_id)
        if under_way is not None:
            failure = await asyncio.shield(under_way)
            if failure is not None:
                raise StoreUnavailable("the key could not be checked") from failure
            return
        now = time.monotonic()
        last = self._looked_up_at.get(gateway_id)
        if last is not None and now - last < self._settings.look_up_again_seconds:
            return
        if self._look_ups.wait_seconds(now):
            raise StoreUnavailable("too many unknown keys to check", retry_after_seconds=1)
        self._look_ups.take(1, now)
        done = self._looking_up[gateway_id] = asyncio.get_running_loop().create_future()
        outcome: Unavailable | None = StoreUnavailable("the look-up was cancelled")
        try:
            await self._read(gateway_id)
            self._remember_look_up(gateway_id, now)
            outcome = None
        except Unavailable as error:
            outcome = error
            raise
        finally:
            del self._looking_up[gateway_id]
            done.set_result(outcome)

    async def _read(self, gateway_id: GatewayId) -> None:
        gateway = await self._store.find(gateway_id)
        if gateway is None:
            self._known.pop(gateway_id, None)
        else:
            self._known[gateway_id] = self._prepared(gateway)

    def _remember_look_up(self, gateway_id: GatewayId, now: float) -> None:
        if len(self._looked_up_at) >= _REMEMBERED_LOOK_UPS:
            self._looked_up_at.clear()
        self._looked_up_at[gateway_id] = now

    def _refuse_known_key(self, gateway_id: GatewayId) -> Refusal:
        if gateway_id not in self._known:
            return self._refuse_key(UNKNOWN, "the key is not valid")
        self._bad_key_at[gateway_id] = self._clock.now()
        return self._refuse_key(gateway_id, "the key is not valid")

    def _refuse_key(self, gateway: str, detail: str) -> Refusal:
        self._metrics.count("keys_refused", gateway=gateway)
        headers = {b"www-authenticate": b"Bearer"}
        return Refusal(401, "Unauthorized", detail, headers=headers)

    async def _note_bad_keys(self) -> None:
        noted, self._bad_key_at = self._bad_key_at, {}
        for gateway_id, at in noted.items():
            with contextlib.suppress(Unavailable):
                await self._store.note_bad_key(gateway_id, at=at)
