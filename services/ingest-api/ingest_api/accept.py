"""The use case of every door: understand a body, judge it, make all of it durable, say so."""

from dataclasses import dataclass

from penstock.channels.readings import ReadingBlock
from penstock.domain.errors import InvalidInput, MalformedPayload, UnknownFormat
from penstock.domain.readings import Reject
from penstock.domain.time import Micros
from penstock.ports import Clock
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import UNTRACED, Span

from ingest_api.document import item_text, parse_document
from ingest_api.gateway_directory import KnownGateway
from ingest_api.group_commit import GroupCommit
from ingest_api.judge import Judged, judge, judge_columns
from ingest_api.packs import Submission
from ingest_api.payload_format import ParseContext
from ingest_api.reasons import Reason
from ingest_api.recognise import Formats

MOST_ITEMS = 10_000
"""Items of one body: what fits a few packs and is judged without holding up others."""
_ITEM_CHARACTERS = 2_000
_BODY_CHARACTERS = 64 * 1024


class TooManyItems(InvalidInput):
    """A body has more items than one request may bring."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One body of one gateway at the door."""

    gateway: KnownGateway
    body: bytes
    request_id: str
    span: Span = UNTRACED


class Acceptor:
    """Takes bodies in."""

    def __init__(
        self, formats: Formats, commit: GroupCommit, *, clock: Clock, metrics: Metrics
    ) -> None:
        """Keep what accepting needs."""
        self._formats = formats
        self._commit = commit
        self._clock = clock
        self._metrics = metrics
        self._last_accepted_at = Micros(0)

    @property
    def queued(self) -> int:
        """What waits to be published, in readings."""
        return self._commit.queued

    async def accept(self, arrival: Arrival, *, deadline: float) -> tuple[Judged, list[str]]:
        """Return the judgement, and the packs in which every good and refused item is durable.

        Raise MalformedPayload or UnknownFormat where the body cannot be understood (it is in
        quarantine then), TooManyItems, and Unavailable where anything is not durable in time.
        """
        accepted_at = self._next_moment()
        try:
            with arrival.span.child("judge readings"):
                judged = self._understand(arrival, accepted_at)
        except (MalformedPayload, UnknownFormat) as error:
            reason = Reason.NOT_JSON if isinstance(error, MalformedPayload) else None
            await self._quarantine(
                arrival, reason or Reason.UNKNOWN_FORMAT, accepted_at, deadline=deadline
            )
            raise
        rejects = [
            self._reject(arrival, item.index, item.reason, item.item, accepted_at)
            for item in judged.refused
        ]
        pack_ids: list[str] = []
        if judged.block.tags or judged.sequences or rejects:
            submission = Submission(judged.block, judged.sequences, rejects, arrival.span)
            pack_ids = await self._commit.commit(submission, deadline=deadline)
        self._count(judged)
        return judged, pack_ids

    def check(self, arrival: Arrival) -> tuple[Judged, list[str]]:
        """Judge a body without publishing anything; tell its formats too. Raise as `accept`."""
        wanted = arrival.gateway.rules.format
        formats = self._formats.names(parse_document(arrival.body), wanted=wanted)
        return self._understand(arrival, self._next_moment()), formats

    def _understand(self, arrival: Arrival, accepted_at: Micros) -> Judged:
        usual = self._understand_usual(arrival, accepted_at)
        if usual is not None:
            return usual
        rules = arrival.gateway.rules
        gateway_id = arrival.gateway.gateway_id
        document = parse_document(arrival.body)
        parsed = self._formats.parse(document, ParseContext(gateway_id), wanted=rules.format)
        if parsed.count > MOST_ITEMS:
            raise TooManyItems(
                f"a body has at most {MOST_ITEMS} items, this has {parsed.count}: send less at once"
            )
        return judge(parsed, rules, gateway_id=gateway_id, accepted_at=accepted_at)

    def _understand_usual(self, arrival: Arrival, accepted_at: Micros) -> Judged | None:
        """Judge a body that is spelled as usual and all fine, which nearly every body is."""
        rules = arrival.gateway.rules
        parsed = self._formats.parse_usual(arrival.body, wanted=rules.format)
        if parsed is None or parsed.count > MOST_ITEMS:
            return None
        gateway_id = arrival.gateway.gateway_id
        return judge_columns(parsed, rules, gateway_id=gateway_id, accepted_at=accepted_at)

    def _next_moment(self) -> Micros:
        """The present, later than for the body before: the later of two equal readings wins."""
        moment = Micros(max(self._clock.now(), self._last_accepted_at + 1))
        self._last_accepted_at = moment
        return moment

    async def _quarantine(
        self, arrival: Arrival, reason: Reason, accepted_at: Micros, *, deadline: float
    ) -> None:
        text = arrival.body[:_BODY_CHARACTERS].decode(errors="replace")
        gateway_id = arrival.gateway.gateway_id
        reject = Reject(gateway_id, arrival.request_id, 0, reason, text, accepted_at)
        nothing = ReadingBlock(gateway_id, accepted_at, [], [], [])
        await self._commit.commit(
            Submission(nothing, rejects=[reject], span=arrival.span), deadline=deadline
        )
        self._metrics.count("readings_rejected", reason=reason)

    @staticmethod
    def _reject(
        arrival: Arrival, index: int, reason: Reason, item: object, accepted_at: Micros
    ) -> Reject:
        text = item_text(item, limit=_ITEM_CHARACTERS)
        gateway_id = arrival.gateway.gateway_id
        return Reject(gateway_id, arrival.request_id, index, reason, text, accepted_at)

    def _count(self, judged: Judged) -> None:
        self._metrics.count("readings_accepted", judged.accepted)
        if judged.superseded:
            self._metrics.count("readings_superseded", judged.superseded)
        if judged.unknown_qualities:
            self._metrics.count("qualities_unknown", judged.unknown_qualities)
        if judged.refused:
            for reason, count in judged.by_reason.items():
                self._metrics.count("readings_rejected", count, reason=reason)
