"""Faults on demand: what AWS does to its callers on a bad day, when a test asks for it."""

import asyncio
import random
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Kind = Literal[
    "throttle",  # 400 ThrottlingException with a null message
    "cold_start",  # 429 ModelNotReadyException
    "slow",  # the answer comes delay_seconds later
    "server_error",  # 500 InternalFailure
    "garbage",  # 200 with bytes that no model would answer
    "silent_rollback",  # UpdateEndpoint ends InService with the old configuration
    "stuck_creating",  # CreateEndpoint stays Creating until the faults are cleared
]


class Fault(BaseModel):
    """Happens with a probability, or the next `count` times, or always where neither is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    endpoint: str = "*"
    probability: float | None = Field(default=None, ge=0, le=1)
    count: int | None = Field(default=None, ge=1)
    delay_seconds: float = Field(default=0, ge=0, le=600)

    @model_validator(mode="after")
    def _either_or(self) -> "Fault":
        if self.probability is not None and self.count is not None:
            raise ValueError("give probability or count, not both")
        if self.delay_seconds and self.kind != "slow":
            raise ValueError("delay_seconds belongs to kind slow")
        return self


FAULT_LIST = TypeAdapter(list[Fault])


class Faults:
    """The faults in force, how often each may still happen, and how often it has."""

    def __init__(self, *, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  chance for tests, not for secrets
        self._faults: list[Fault] = []
        self._happened: list[int] = []
        self._changed = asyncio.Event()

    def replace(self, faults: Sequence[Fault]) -> None:
        """Put new faults in force; endpoints that were held back go on."""
        self._faults = list(faults)
        self._happened = [0] * len(faults)
        self._changed.set()
        self._changed = asyncio.Event()

    def report(self) -> list[dict[str, object]]:
        """Say what is in force and how often each fault has happened."""
        return [
            fault.model_dump(exclude_none=True) | {"happened": happened}
            for fault, happened in zip(self._faults, self._happened, strict=True)
        ]

    def take(self, kind: Kind, endpoint: str) -> Fault | None:
        """Return the first fault of this kind that happens now, counting it."""
        for index, fault in enumerate(self._faults):
            if fault.kind != kind or fault.endpoint not in {"*", endpoint}:
                continue
            if self._happens(fault, self._happened[index]):
                self._happened[index] += 1
                return fault
        return None

    async def hold_while_stuck(self, endpoint: str) -> None:
        """Keep a new endpoint in Creating until somebody replaces or clears the faults."""
        if self.take("stuck_creating", endpoint):
            await self._changed.wait()

    def _happens(self, fault: Fault, happened: int) -> bool:
        if fault.count is not None:
            return happened < fault.count
        return fault.probability is None or self._random.random() < fault.probability
