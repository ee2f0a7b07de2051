"""Deliveries of queue `deferred`: finished frames are sent again when their time has come."""

from collections.abc import Callable

from penstock.channels.deferred import CHANNEL
from penstock.domain.errors import NotYet
from penstock.domain.time import SECOND
from penstock.ports import Clock, Delivery

from inference_worker.context import Snapshot
from inference_worker.deferring import Redriven
from inference_worker.settle import Settle
from inference_worker.sorting import served


class DeferredHandler:
    """Needs no state: a row carries all that its prediction will need."""

    def __init__(self, settle: Settle, snapshot: Callable[[], Snapshot], clock: Clock) -> None:
        """Keep the parts."""
        self._settle = settle
        self._snapshot = snapshot
        self._clock = clock

    async def handle(self, delivery: Delivery) -> None:
        """Send the rows again; what is still not answered goes back for longer."""
        message = CHANNEL.decode(delivery.body)
        wait = message.not_before - self._clock.now()
        if wait > 0:
            raise NotYet("its endpoint needs a pause", retry_after_seconds=wait / SECOND)
        rows = served(message.rows, self._snapshot().models)
        redriven = Redriven(attempts=message.attempts, first_at=message.created_at)
        await self._settle(rows, lane="bulk", redriven=redriven)
