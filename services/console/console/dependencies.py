"""What routes ask for: parts of the typed state."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from penstock.gateways import GatewayStore
from penstock.ports import Clock, KeyValueStore
from penstock.registry import ModelRegistry
from penstock.source_settings import SourceStore

from console.audit import Audit
from console.context_store import ContextStore
from console.dead_letters import DeadLetterStore
from console.predictions import PredictionHistory
from console.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class State:
    """What the process owns while it serves."""

    context: ContextStore
    gateways: GatewayStore
    sources: SourceStore
    registry: ModelRegistry
    dead_letters: DeadLetterStore
    quarantine: Quarantine
    predictions: PredictionHistory
    audit: Audit
    store: KeyValueStore
    clock: Clock


def _state(request: Request) -> State:
    state = request.app.state.console
    if not isinstance(state, State):
        raise TypeError("the application was not started by its lifespan")
    return state


StateDep = Annotated[State, Depends(_state)]
