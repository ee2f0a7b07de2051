"""What each consumer is doing, and the order to try again after a stop."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from penstock.domain.errors import NotFound
from penstock.runtime.auth import require
from pydantic import BaseModel

from results_writer.pack_consumer import PackConsumer

router = APIRouter(prefix="/v1/sinks", tags=["sinks"])


class SinkBody(BaseModel):
    """One consumer: `running`, `waiting` for its dependency, or `stopped` at its limit."""

    name: str
    state: str
    oldest_message_seconds: float


def _consumers(request: Request) -> dict[str, PackConsumer[Any]]:
    found: dict[str, PackConsumer[Any]] = request.app.state.consumers
    return found


Consumers = Annotated[dict[str, PackConsumer[Any]], Depends(_consumers)]


@router.get("", dependencies=[Depends(require("viewer"))], operation_id="list_sinks")
async def list_sinks(consumers: Consumers) -> list[SinkBody]:
    """List the consumers of this process."""
    return [_body(name, consumer) for name, consumer in consumers.items()]


@router.post(
    "/{name}/retry", dependencies=[Depends(require("operator"))], operation_id="retry_sink"
)
async def retry_sink(name: str, consumers: Consumers) -> SinkBody:
    """Go on after too many dead letters, once their reason is found."""
    if name not in consumers:
        raise NotFound(f"no consumer {name} in this process; there are {sorted(consumers)}")
    consumers[name].retry()
    return _body(name, consumers[name])


def _body(name: str, consumer: PackConsumer[Any]) -> SinkBody:
    oldest = round(consumer.oldest_message_seconds, 3)
    return SinkBody(name=name, state=consumer.state, oldest_message_seconds=oldest)
