"""Trainings, endpoints and the state machine's answers in memory, for tests of the training side.

They keep SageMaker's rules that matter: names are used once, changes take time, an update that
fails goes back to InService with the old configuration. The test moves time on by calling
`finish` and `settle`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace

from penstock.domain.endpoints import (
    Endpoint,
    EndpointStatus,
    Training,
    TrainingOrder,
    TrainingStatus,
    Variant,
)
from penstock.domain.errors import Conflict, EndpointUnavailable, InvalidInput
from penstock.ports import Clock


class MemoryExecutions:
    """Executions by name; `on_start` may raise before one is started."""

    def __init__(self, on_start: Callable[[str], None] | None = None) -> None:
        """Start with none."""
        self.on_start = on_start
        self.payloads: dict[str, dict[str, object]] = {}
        self.statuses: dict[str, str] = {}

    async def start(self, name: str, payload: Mapping[str, object]) -> None:
        """Start one, or adopt one of the same payload."""
        if self.on_start:
            self.on_start(name)
        if self.payloads.setdefault(name, dict(payload)) != dict(payload):
            raise Conflict(f"execution {name} was started for something else")
        self.statuses.setdefault(name, "RUNNING")

    async def status(self, name: str) -> str | None:
        """Status of an execution."""
        return self.statuses.get(name)


class MemoryTaskTokens:
    """Answers by token; a token in `timed_out` refuses every answer."""

    def __init__(self) -> None:
        """Start with none."""
        self.answers: dict[str, Mapping[str, object]] = {}
        self.heartbeats: list[str] = []
        self.timed_out: set[str] = set()

    async def succeed(self, token: str, output: Mapping[str, object]) -> None:
        """Keep the result."""
        self._check(token)
        self.answers[token] = output

    async def fail(self, token: str, error: str, cause: str) -> None:
        """Keep the failure."""
        self._check(token)
        self.answers[token] = {"error": error, "cause": cause}

    async def heartbeat(self, token: str) -> None:
        """Keep the heartbeat."""
        self._check(token)
        self.heartbeats.append(token)

    def _check(self, token: str) -> None:
        if token in self.timed_out or token in self.answers:
            raise Conflict("the task was given up, or to another")


class MemoryTrainings:
    """Trainings by name; `finish` ends one."""

    def __init__(self, clock: Clock) -> None:
        """Start with none."""
        self._clock = clock
        self.orders: dict[str, TrainingOrder] = {}
        self.trainings: dict[str, Training] = {}

    async def start(self, order: TrainingOrder) -> None:
        """Start a training."""
        if order.name in self.orders:
            raise Conflict(f"training {order.name} exists already")
        self.orders[order.name] = order
        self.trainings[order.name] = Training(
            order.name, TrainingStatus.IN_PROGRESS, order.output_uri, created_at=self._clock.now()
        )

    async def describe(self, name: str) -> Training | None:
        """Tell how a training stands."""
        return self.trainings.get(name)

    async def stop(self, name: str) -> None:
        """Begin to stop a training that runs."""
        training = self.trainings.get(name)
        if training is not None and training.status is TrainingStatus.IN_PROGRESS:
            self.trainings[name] = replace(training, status=TrainingStatus.STOPPING)

    def finish(self, name: str, status: TrainingStatus, **parts: str) -> None:
        """End a training, or give it another status."""
        artefact = f"{self.orders[name].output_uri}/{name}/output/model.tar.gz"
        ended = replace(self.trainings[name], status=status, artefact=artefact)
        self.trainings[name] = replace(ended, **parts)  # type: ignore[arg-type]  # texts only


class MemoryEndpoints:
    """Endpoints by name; `settle` ends the change that is under way."""

    def __init__(self, clock: Clock) -> None:
        """Start with none."""
        self._clock = clock
        self.models: dict[str, str] = {}
        self.configs: dict[str, tuple[Variant, ...]] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.asked: dict[str, str] = {}

    async def ensure_model(self, name: str, *, image: str, artefact: str) -> None:  # noqa: ARG002
        """Make a model."""
        self.models.setdefault(name, artefact)

    async def ensure_config(self, name: str, variants: Sequence[Variant]) -> None:
        """Make a configuration."""
        if any(variant.model_name not in self.models for variant in variants):
            raise InvalidInput(f"configuration {name} names a model that is not there")
        self.configs.setdefault(name, tuple(variants))

    async def describe(self, name: str) -> Endpoint | None:
        """Tell how an endpoint stands."""
        return self.endpoints.get(name)

    async def create(self, name: str, config: str) -> None:
        """Begin to make an endpoint."""
        if name not in self.endpoints:
            self._change(name, config, EndpointStatus.CREATING, serving=config)

    async def update(self, name: str, config: str) -> None:
        """Begin to give an endpoint another configuration."""
        endpoint = self.endpoints[name]
        if endpoint.status.is_changing:
            raise Conflict(f"endpoint {name} is being changed already")
        self._change(name, config, EndpointStatus.UPDATING, serving=endpoint.config)

    async def remove(self, name: str) -> None:
        """Remove an endpoint, and the configuration and model of its name."""
        endpoint = self.endpoints.get(name)
        if endpoint is not None and endpoint.status.is_changing:
            raise EndpointUnavailable(f"endpoint {name} is {endpoint.status}")
        self.endpoints.pop(name, None)
        self.configs.pop(name, None)
        self.models.pop(name, None)

    def settle(self, name: str, status: EndpointStatus, *, fails: str = "") -> None:
        """End a change; one that `fails` keeps the configuration that served before."""
        endpoint = self.endpoints[name]
        config = endpoint.config if fails else self.asked[name]
        variants = tuple(self.configs.get(config, ()))
        self.endpoints[name] = replace(
            endpoint, status=status, config=config, failure_reason=fails, variants=variants
        )

    def _change(self, name: str, config: str, status: EndpointStatus, *, serving: str) -> None:
        if config not in self.configs:
            raise InvalidInput(f"there is no configuration {config}")
        self.asked[name] = config
        self.endpoints[name] = Endpoint(name, status, serving, changed_at=self._clock.now())


class MemoryTrainingLogs:
    """Log lines by the training's name."""

    def __init__(self) -> None:
        """Start with none."""
        self.by_name: dict[str, list[str]] = {}

    async def lines(self, name: str) -> AsyncIterator[str]:
        """Walk the lines."""
        for line in self.by_name.get(name, []):
            yield line
