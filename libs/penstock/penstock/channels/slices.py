"""Queue `slices`: one slice of a dataset per message, fetched and retried alone."""

from penstock.channel import Channel, Envelope, Queue
from penstock.domain.time import Micros

VERSION = 1


class SliceMessage(Envelope, frozen=True, kw_only=True):
    """Fetch [since, until) of a source for a job's run.

    `slice_id` is a sequence number, a split child's is parent.n; `page` is set where pages are
    numbered, `tags` where a request names them.
    """

    job_id: str
    run: int
    slice_id: str
    source: str
    since: Micros
    until: Micros
    tags: list[str]
    page: int | None = None
    page_size: int | None = None


def _worst_case() -> SliceMessage:
    return SliceMessage(
        version=VERSION, id="p" * 26, created_at=Micros(2**53), job_id="j" * 40, run=999,
        slice_id="100000.1.2.1.2", source="s" * 64, since=Micros(2**53), until=Micros(2**53),
        tags=["/" + "t" * 254] * 1_000, page=10**6, page_size=10**6,
    )  # fmt: skip


CHANNEL = Channel(
    name="slices",
    carrier=Queue("slices", visibility_seconds=120),
    message=SliceMessage,
    version=VERSION,
    worst_case=_worst_case,
)
