"""Queue `prepare`: one dataset to prepare per message."""

from penstock.channel import Channel, Envelope, Queue
from penstock.domain.time import Micros

VERSION = 1


class PrepareMessage(Envelope, frozen=True, kw_only=True):
    """Prepare the dataset of a job's run from its raw slices, then answer the task token."""

    job_id: str
    run: int
    task_token: str


def _worst_case() -> PrepareMessage:
    return PrepareMessage(
        version=VERSION, id="p" * 26, created_at=Micros(2**53), job_id="j" * 40, run=999,
        task_token="t" * 2048,
    )  # fmt: skip


CHANNEL = Channel(
    name="prepare",
    carrier=Queue("prepare", visibility_seconds=300),
    message=PrepareMessage,
    version=VERSION,
    worst_case=_worst_case,
)
