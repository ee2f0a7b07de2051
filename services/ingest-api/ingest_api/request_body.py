"""Request bodies within limits: counted while they arrive, opened no further than allowed."""

import asyncio
import zlib
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive

from ingest_api.answers import Refusal

_GZIP = 16 + zlib.MAX_WBITS
_OPEN_IN_THREAD_FROM = 64 * 1024
_CHUNK = 256 * 1024


class BodySettings(BaseModel):
    """What a body may cost."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    most_bytes: int = Field(default=5_000_000, ge=1)
    """Size of a body as sent; beyond it the answer is 413."""
    most_opened_bytes: int = Field(default=20_000_000, ge=1)
    """Size of a body when decompressed; beyond it the answer is 413."""
    most_held_bytes: int = Field(default=256_000_000, ge=1)
    """Size of all bodies held at one time; beyond it the answer is 503."""
    arrival_seconds: float = Field(default=30.0, gt=0)
    """How long a body may take to arrive."""


class ClientGone(Exception):
    """The sender hung up before its body was complete: there is nobody to answer."""


class BodyReader:
    """Reads bodies; all bodies held at one time share one bound of memory."""

    def __init__(self, settings: BodySettings | None = None) -> None:
        """Start with nothing held."""
        self._settings = settings or BodySettings()
        self._held = 0

    def held(self) -> "HeldBody":
        """Read one body within the shared bound; it is given back on leaving."""
        return HeldBody(self)

    def release(self, size: int) -> None:
        """Count bytes that are no longer held."""
        self._held -= size

    def hold(self, body: "HeldBody", size: int) -> None:
        """Count bytes that a body takes; refuse them where they are too many."""
        if body.size + size > self._settings.most_bytes:
            raise too_large(self._settings.most_bytes)
        if self._held + size > self._settings.most_held_bytes:
            detail = "too many bodies are being read"
            raise Refusal(503, "Unavailable", detail, retry_after_seconds=1)
        body.size += size
        self._held += size

    @property
    def settings(self) -> BodySettings:
        """The limits."""
        return self._settings


class HeldBody:
    """One body while it is in memory."""

    def __init__(self, reader: BodyReader) -> None:
        """Start empty."""
        self._reader = reader
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._reader.release(self.size)

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read the whole body and open its encoding; raise Refusal or ClientGone."""
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b"", b"gzip", b"x-gzip"):
            detail = "send the body plain or with `Content-Encoding: gzip`"
            raise Refusal(415, "UnsupportedEncoding", detail)
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._reader.settings.most_bytes:
            raise too_large(self._reader.settings.most_bytes)
        body = await self._arrive(receive)
        if encoding in (b"identity", b""):
            return body
        limit = self._reader.settings.most_opened_bytes
        if len(body) < _OPEN_IN_THREAD_FROM:
            return gunzip(body, limit=limit)
        return await asyncio.to_thread(gunzip, body, limit=limit)

    async def _arrive(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._reader.settings.arrival_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    part = message.get("body", b"")
                    self._reader.hold(self, len(part))
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            raise Refusal(408, "RequestTimeout", "the body did not arrive in time") from error


def gunzip(body: bytes, *, limit: int) -> bytes:
    """Open a gzip body, several members too; raise Refusal where it is broken or too large."""
    opened = bytearray()
    while body:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            try:
                part = member.decompress(body, _CHUNK)
            except zlib.error as error:
                raise Refusal(
                    400, "MalformedPayload", f"the gzip body is broken: {error}"
                ) from error
            opened += part
            if len(opened) > limit:
                raise Refusal(
                    413, "BodyTooLarge", f"a body opens to at most {limit} bytes: send less at once"
                )
            body = member.unconsumed_tail
            if not part and not body and not member.eof:
                raise Refusal(400, "MalformedPayload", "the gzip body is cut short")
        body = member.unused_data.lstrip(b"\0")
    return bytes(opened)


def too_large(limit: int) -> Refusal:
    """Say which limit a body passed."""
    return Refusal(413, "BodyTooLarge", f"a body has at most {limit} bytes: send less at once")


def _malformed(detail: str) -> Refusal:
    return Refusal(400, "MalformedPayload", detail)
