"""Queue `commands`: what the state machine asks the orchestrator to do, one step each."""

from penstock.channel import Channel, Envelope, Queue
from penstock.domain.time import Micros

VERSION = 1


class CommandMessage(Envelope, frozen=True, kw_only=True):
    """Do one step of a job's run, then answer the task token.

    Without a token it is an order of a person about the version that the run made.
    """

    job_id: str
    run: int
    step: str
    task_token: str


def _worst_case() -> CommandMessage:
    return CommandMessage(
        version=VERSION, id="p" * 26, created_at=Micros(2**53), job_id="j" * 40, run=999,
        step="s" * 40,
        task_token="t" * 2048,
    )  # fmt: skip


CHANNEL = Channel(
    name="commands",
    carrier=Queue("commands", visibility_seconds=30),
    message=CommandMessage,
    version=VERSION,
    worst_case=_worst_case,
)
