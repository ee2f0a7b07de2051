"""Runs all parts of a stack: in order, watched, restarted, and ended in reverse."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from penstock_local import stackfile
from penstock_local.identity import myself
from penstock_local.logfiles import rotate_if_full
from penstock_local.part import Finished, Part, in_order
from penstock_local.running import RunningPart, State
from penstock_local.stackfile import StackFile

_ROTATE_EVERY_SECONDS = 5.0


class Supervisor:
    """Owns every process of a stack from `run` to its end.

    Who calls sets `stopping` to end it, and calls `kill` when that takes too long.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        state_dir: Path,
        environment: Mapping[str, str] | None = None,
        on_change: Callable[["RunningPart"], None] = lambda _: None,
    ) -> None:
        """Refuse parts that can't be put in order; start nothing."""
        self._generations = in_order(parts)
        self._state_dir = state_dir
        self._environment = environment or {}
        self._identity = myself()
        self._on_change = on_change
        logs = state_dir / "logs"
        self.parts = {
            part.name: RunningPart(part, logs / f"{part.name}.log", self._changed) for part in parts
        }
        self.stopping = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether every part is usable now."""
        usable = {State.READY, State.DONE}
        return all(part.status.state in usable for part in self.parts.values())

    async def run(self) -> None:
        """Run until `stopping` is set. Raise PartFailed, all ended, where a part can't start."""
        runs = [
            asyncio.create_task(
                running.run([self.parts[name] for name in running.part.depends_on]),
                name=f"part {name}",
            )
            for name, running in self.parts.items()
        ]
        rotating = asyncio.create_task(self._rotate_logs(), name="log rotation")
        stop = asyncio.create_task(self.stopping.wait(), name="stop of the stack")
        try:
            # A part's task ends before the stop only by an error.
            await asyncio.wait({stop, *runs}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            rotating.cancel()
            await self._stop_all()
            with suppress(asyncio.CancelledError):
                await rotating
            stackfile.remove(self._state_dir)
        await asyncio.gather(*runs)

    def kill(self) -> None:
        """End everything at once, and with it `run`."""
        self.stopping.set()
        for running in self.parts.values():
            running.kill()

    async def _stop_all(self) -> None:
        for generation in reversed(self._generations):
            await asyncio.gather(*(self.parts[part.name].stop() for part in generation))

    def _changed(self, running: RunningPart) -> None:
        came_back = running.status.state is State.READY and running.status.restarts > 0
        if came_back:
            for other in self.parts.values():
                if isinstance(other.part.ready, Finished) and running.part.name in (
                    other.part.depends_on
                ):
                    other.run_again()
        self._write()
        self._on_change(running)

    def _write(self) -> None:
        content = StackFile(
            supervisor=self._identity,
            is_ready=self.is_ready,
            environment=self._environment,
            parts=stackfile.entries(self.parts.values()),
        )
        stackfile.write(self._state_dir, content)

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_EVERY_SECONDS)
            for running in self.parts.values():
                await asyncio.to_thread(rotate_if_full, running.log)
