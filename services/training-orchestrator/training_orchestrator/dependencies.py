"""What routes ask for: the typed state."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from penstock.runtime.lifecycle import Stop

from training_orchestrator.accept import Acceptance
from training_orchestrator.control import Control
from training_orchestrator.distribute import Distributor
from training_orchestrator.ports import TrainingLogs
from training_orchestrator.promote import Promotions
from training_orchestrator.step import Workbench


@dataclass(frozen=True, slots=True)
class State:
    """What the process owns while it serves."""

    bench: Workbench
    acceptance: Acceptance
    distributor: Distributor
    control: Control
    promotions: Promotions
    logs: TrainingLogs
    stop: Stop


def _state(request: Request) -> State:
    state = request.app.state.orchestrator
    if not isinstance(state, State):
        raise TypeError("the application was not started by its lifespan")
    return state


StateDep = Annotated[State, Depends(_state)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=128,
        description="The same request under the same key is done once.",
    ),
]
