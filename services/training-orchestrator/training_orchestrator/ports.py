"""What the training side asks of the outside world beyond the library's ports."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from penstock.domain.endpoints import Endpoint, Training, TrainingOrder, Variant


class Executions(Protocol):
    """Runs of the state machine, by name."""

    async def start(self, name: str, payload: Mapping[str, object]) -> None:
        """Start an execution; one of that name with our payload's job is adopted.

        Raise Conflict where the name belongs to another job.
        """
        ...

    async def status(self, name: str) -> str | None:
        """Status of an execution (RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED); None: none."""
        ...


class TaskTokens(Protocol):
    """Answers to a task of the state machine; raise Conflict where its token has timed out."""

    async def succeed(self, token: str, output: Mapping[str, object]) -> None:
        """Give the task's result."""
        ...

    async def fail(self, token: str, error: str, cause: str) -> None:
        """Fail the task with a name that the state machine can catch, and a sentence why."""
        ...

    async def heartbeat(self, token: str) -> None:
        """Tell that the task is still being worked on."""
        ...


class Trainings(Protocol):
    """Training runs on a host such as SageMaker."""

    async def start(self, order: TrainingOrder) -> None:
        """Start a training; raise Conflict where its name is in use."""
        ...

    async def describe(self, name: str) -> Training | None:
        """Tell how a training stands; None where there is none of that name."""
        ...

    async def stop(self, name: str) -> None:
        """Ask a training to stop; one that is over is left as it is."""
        ...


class Endpoints(Protocol):
    """Models, endpoint configurations and endpoints; what exists already is adopted."""

    async def ensure_model(self, name: str, *, image: str, artefact: str) -> None:
        """Make a model of an artefact."""
        ...

    async def ensure_config(self, name: str, variants: Sequence[Variant]) -> None:
        """Make an endpoint configuration."""
        ...

    async def describe(self, name: str) -> Endpoint | None:
        """Tell how an endpoint stands; None where there is none of that name."""
        ...

    async def create(self, name: str, config: str) -> None:
        """Make an endpoint; one that exists is left as it is."""
        ...

    async def update(self, name: str, config: str) -> None:
        """Give an endpoint another configuration, keeping live weights and counts.

        Raise Conflict while another change is under way.
        """
        ...

    async def remove(self, name: str) -> None:
        """Remove an endpoint, and the configuration and model of its name; none is fine.

        Raise EndpointUnavailable while it is changing.
        """
        ...


class TrainingLogs(Protocol):
    """What a training wrote while it ran."""

    def lines(self, name: str) -> AsyncIterator[str]:
        """Walk the lines of a training's log; none where it has not begun."""
        ...
