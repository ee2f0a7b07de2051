"""Raw answers of a slice on S3: the bytes as received, a meta object beside each, a manifest last.

The pages that are there are the checkpoint of a walk: a fetcher that takes over reads their metas
and the newest page, and asks for the next one.
"""

import asyncio
import hashlib

import msgspec
import zstandard
from penstock.domain.errors import UnknownObject
from penstock.domain.time import Micros
from penstock.ports import ObjectStore
from penstock.source import SourceAnswer, SourceRequest, Walk

_MANIFEST = "manifest.json"
_META = ".meta.json"
_WORTH_COMPRESSING = 1_024
_OPENED_LIMIT = 1024 * 1024 * 1024


class PageMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one raw answer beside its bytes; `digest` is that of the bytes received."""

    key: str
    url: str
    status: int
    headers: dict[str, str]
    fetched_at: Micros
    rows: int
    bytes: int
    digest: str
    request: SourceRequest


class SliceManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a whole slice in order; it is there only when they all are."""

    slice_id: str
    rows: int
    bytes: int
    pages: list[PageMeta]


class RawSlice:
    """The objects of one slice below its prefix."""

    def __init__(self, objects: ObjectStore, prefix: str, slice_id: str) -> None:
        """Keep where the slice lies; `prefix` is that of its job's raw slices."""
        self._objects = objects
        self.slice_id = slice_id
        self._folder = f"{prefix}{slice_id}/"

    async def add(self, position: int, answer: SourceAnswer, meta: PageMeta) -> PageMeta:
        """Store a page, and its meta after it: only then it counts."""
        packed = await asyncio.to_thread(_pack, answer.body)
        suffix = ".json" if packed is answer.body else ".json.zst"
        digest = digest_of(answer.body)
        # By its digest: two fetchers of one slice never write different bytes under one key.
        key = f"{self._folder}{position:05d}.{digest[:8]}{suffix}"
        meta = msgspec.structs.replace(meta, key=key, digest=digest)
        await self._objects.put(key, packed, content_type="application/octet-stream")
        await self._put_json(f"{self._folder}{position:05d}{_META}", meta)
        return meta

    async def stored(self) -> list[PageMeta]:
        """Metas of the pages that are there, without a gap from the first on."""
        metas: list[PageMeta] = []
        async for found in self._objects.list(self._folder):
            if found.key == f"{self._folder}{len(metas):05d}{_META}":
                body = await self._objects.get(found.key)
                metas.append(msgspec.json.decode(body, type=PageMeta))
        return metas

    async def walk_over(self, metas: list[PageMeta]) -> Walk:
        """The walk as far as the stored pages lead."""
        walk = Walk()
        for meta in metas[:-1]:
            walk = walk.after(SourceAnswer(meta.request, b"", meta.rows, meta.headers))
        if metas:
            last = metas[-1]
            body = await self.read(last)
            walk = walk.after(SourceAnswer(last.request, body, last.rows, last.headers))
        return walk

    async def read(self, meta: PageMeta) -> bytes:
        """Bytes of a page as they were received; raise UnknownObject where it is gone."""
        return await asyncio.to_thread(open_page, meta, await self._objects.get(meta.key))

    async def finish(self, metas: list[PageMeta]) -> SliceManifest:
        """Write the manifest: the slice is complete."""
        manifest = SliceManifest(
            slice_id=self.slice_id,
            rows=sum(meta.rows for meta in metas),
            bytes=sum(meta.bytes for meta in metas),
            pages=metas,
        )
        await self._put_json(f"{self._folder}{_MANIFEST}", manifest)
        return manifest

    async def manifest(self) -> SliceManifest:
        """Read the manifest; raise UnknownObject where the slice was never completed."""
        body = await self._objects.get(f"{self._folder}{_MANIFEST}")
        return msgspec.json.decode(body, type=SliceManifest)

    async def forget(self) -> None:
        """Begin again: without their metas the pages lead nowhere.

        The pages stay, since another fetcher's manifest may name them.
        """
        metas = [f.key async for f in self._objects.list(self._folder) if f.key.endswith(_META)]
        for key in metas:
            await self._objects.delete(key)

    async def _put_json(self, key: str, value: PageMeta | SliceManifest) -> None:
        await self._objects.put(key, msgspec.json.encode(value), content_type="application/json")


def raw_prefix(job_id: str, pull_run: int) -> str:
    """Folder of the bucket `training` that holds the raw slices of a pull."""
    return f"raw/{job_id}/run={pull_run}/"


def digest_of(body: bytes) -> str:
    """Digest by which a page is known to be the one that was fetched."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def open_page(meta: PageMeta, stored: bytes) -> bytes:
    """Bytes as received, of the bytes as stored; raise UnknownObject where they are others."""
    body = stored
    if meta.key.endswith(".zst"):
        try:
            body = zstandard.decompress(stored, max_output_size=_OPENED_LIMIT)
        except zstandard.ZstdError as error:
            raise UnknownObject(f"{meta.key} is not readable: {error}") from error
    if digest_of(body) != meta.digest:
        raise UnknownObject(f"{meta.key} is not the page that was fetched: pull its slice again")
    return body


def _pack(body: bytes) -> bytes:
    if len(body) < _WORTH_COMPRESSING:
        return body
    return zstandard.compress(body, 3)
