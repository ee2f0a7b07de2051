"""The walk through a slice's answers: each is kept as it came before the next is asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from penstock.domain.datasets import MOST_CHILDREN, Slice
from penstock.domain.errors import UnknownObject
from penstock.domain.time import Micros
from penstock.ports import Clock, ObjectStore
from penstock.runtime.telemetry import Metrics
from penstock.source import SourceAnswer, SourceRequest, SourceSlice, Walk
from penstock.source_client import SourceClient, SourceClients, SourceReply
from penstock.source_settings import SourceBody

from training_orchestrator.fetch_limit import SharedLimit
from training_orchestrator.fetch_pages import PageMeta, RawSlice, SliceManifest
from training_orchestrator.fetch_policy import DoubtfulAnswer, FetchPolicy, Halve, RefusedAnswer

_WORTH_SPLITTING = 3
"""Pages from which on each is a slice of its own."""
_CHECK_SECONDS = 10.0
"""How long a walk goes on before it looks again whether the job still wants it."""

log = structlog.get_logger()


class Split(Exception):
    """The slice is to be fetched as its children."""

    def __init__(self, children: Sequence[Slice], reason: str) -> None:
        """Tell why."""
        super().__init__(reason)
        self.children = tuple(children)


class Unwanted(Exception):
    """The job was stopped meanwhile."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one delivery asks for; `may_be_begun` where an earlier one may have left pages."""

    piece: Slice
    prefix: str
    may_be_begun: bool
    is_wanted: Callable[[], Awaitable[bool]]
    on_first_answer: Callable[[], Awaitable[None]]

    @property
    def asked(self) -> SourceSlice:
        """The slice as a plug-in reads it."""
        piece = self.piece
        return SourceSlice(piece.since, piece.until, piece.tags, piece.page, piece.page_size)


@dataclass(frozen=True, slots=True)
class SliceWalker:
    """Walks slices; what goes wrong with the source is raised, for others to decide on."""

    objects: ObjectStore
    clients: SourceClients
    limit: SharedLimit
    clock: Clock
    metrics: Metrics
    policy: FetchPolicy

    async def walk(self, source: SourceBody, order: Order) -> SliceManifest:
        """Fetch all answers of a slice; raise Split or Unwanted where that is not the way."""
        plugin, options, asked = source.source_plugin, source.plugin_options(), order.asked
        raw = self.raw(order)
        metas, walk = await self._checkpoint(source, order, raw)
        checked_at = time.monotonic()
        async with self.clients.use(source) as client:
            while True:
                request = await asyncio.to_thread(plugin.next_request, asked, options, walk)
                if request is None:
                    return await raw.finish(metas)
                if time.monotonic() - checked_at > _CHECK_SECONDS:
                    if not await order.is_wanted():
                        raise Unwanted
                    checked_at = time.monotonic()
                answer, reply = await self._ask(client, request, order)
                meta = _meta(answer, reply, self.clock.now())
                if not metas:
                    await order.on_first_answer()
                    await self._split_by_page(source, order, answer, meta)
                metas.append(await raw.add(len(metas), answer, meta))
                walk = walk.after(answer)

    def raw(self, order: Order) -> RawSlice:
        """Where the answers of the slice lie."""
        return RawSlice(self.objects, order.prefix, order.piece.slice_id)

    async def _checkpoint(
        self, source: SourceBody, order: Order, raw: RawSlice
    ) -> tuple[list[PageMeta], Walk]:
        """Pages that an earlier delivery left, where they answer what would be asked now."""
        metas = await raw.stored() if order.may_be_begun else []
        if not metas:
            return [], Walk()
        first = source.source_plugin.next_request(order.asked, source.plugin_options(), Walk())
        try:
            if first == metas[0].request:
                return metas, await raw.walk_over(metas)
        except UnknownObject as error:
            log.warning("checkpoint.lost", error=str(error))
        await raw.forget()
        return [], Walk()

    async def _ask(
        self, client: SourceClient, request: SourceRequest, order: Order
    ) -> tuple[SourceAnswer, SourceReply]:
        source = client.source
        async with self.limit.turn(source):
            reply = await client.send(request)
        self.metrics.count("source_requests", source=source.name, code=str(reply.status))
        if not reply.is_success:
            detail = " ".join(reply.body.decode(errors="replace").split())
            raise RefusedAnswer(reply.url, reply.status, reply.headers, detail[:200])
        plugin, options = source.source_plugin, source.plugin_options()
        records = await asyncio.to_thread(plugin.decode, reply.body, request.tags, options)
        answer = SourceAnswer(request, reply.body, len(records), reply.headers)
        doubt = plugin.doubt(answer, options)
        if doubt:
            self._judge_doubt(DoubtfulAnswer(doubt), order.piece)
        return answer, reply

    def _judge_doubt(self, doubt: DoubtfulAnswer, piece: Slice) -> None:
        now = self.clock.now()
        action = self.policy.judge(doubt, piece, attempts=1, waited=Micros(0), now=now)
        if isinstance(action, Halve):
            raise Split(action.children, str(doubt))
        log.warning("answer.doubtful", doubt=str(doubt))

    async def _split_by_page(
        self, source: SourceBody, order: Order, answer: SourceAnswer, meta: PageMeta
    ) -> None:
        """Make each page a slice of its own where the first answer tells how many there are."""
        if order.piece.page is not None:
            return
        plugin = source.source_plugin
        count = plugin.page_count(order.asked, answer, source.plugin_options()) or 1
        if count < _WORTH_SPLITTING:
            return
        if count > MOST_CHILDREN:
            halves = order.piece.halves()
            if halves:
                raise Split(halves, f"{count} pages are too many for one slice")
            return
        children = order.piece.pages(count)
        # The first child finds its page there already.
        await RawSlice(self.objects, order.prefix, children[0].slice_id).add(0, answer, meta)
        raise Split(children, f"{count} pages")


def _meta(answer: SourceAnswer, reply: SourceReply, now: Micros) -> PageMeta:
    return PageMeta(
        key="",
        digest="",
        url=reply.url,
        status=reply.status,
        headers=dict(reply.headers),
        fetched_at=now,
        rows=answer.rows,
        bytes=len(reply.body),
        request=answer.request,
    )
