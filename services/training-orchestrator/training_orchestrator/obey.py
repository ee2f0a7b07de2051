"""Commands of the state machine: do the step, answer its task token."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import structlog
from penstock.channels.commands import CHANNEL, CommandMessage
from penstock.domain.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    StoreUnavailable,
    Unavailable,
)
from penstock.ports import Delivery
from penstock.runtime.tracing import current_span

from training_orchestrator.ports import TaskTokens
from training_orchestrator.promote import Promotions
from training_orchestrator.step import Step, StepAnswer, Workbench

log = structlog.get_logger()

_HEARTBEAT_SECONDS = 30.0


class Obey:
    """Handles deliveries of queue `commands`."""

    def __init__(
        self,
        bench: Workbench,
        steps: Mapping[str, Step],
        tokens: TaskTokens,
        promotions: Promotions,
        *,
        heartbeat_seconds: float = _HEARTBEAT_SECONDS,
    ) -> None:
        """Wire the steps by their names."""
        self._bench = bench
        self._steps = steps
        self._tokens = tokens
        self._promotions = promotions
        self._heartbeat_seconds = heartbeat_seconds

    async def handle(self, delivery: Delivery) -> None:
        """Do what a command asks for; an answer to a token that has timed out is discarded."""
        command = CHANNEL.decode(delivery.body)
        if not command.task_token:
            await self._promotions.go_on(command, delivery)
            return
        current_span().rename(f"step {command.step}")
        current_span().note({"penstock.job_id": command.job_id, "penstock.run": command.run})
        with structlog.contextvars.bound_contextvars(job_id=command.job_id, step=command.step):
            await self._answer(command)

    async def _answer(self, command: CommandMessage) -> None:
        try:
            answer = await self._do(command)
        except (InvalidInput, NotFound) as error:
            current_span().fail(str(error))
            log.warning("step.failed", error=str(error))
            await self._discarding(
                self._tokens.fail(command.task_token, type(error).__name__, str(error))
            )
        else:
            current_span().note({"penstock.state": answer.state})
            log.info("step.answered", state=answer.state)
            await self._discarding(self._tokens.succeed(command.task_token, answer.output))

    async def _do(self, command: CommandMessage) -> StepAnswer:
        job = await self._bench.jobs.load(command.job_id)
        step = self._steps.get(command.step)
        if step is None:
            raise NotFound(f"there is no step {command.step}")
        if job.run != command.run:
            if not step.of_any_run:
                raise NotFound(f"job {job.job_id} is in run {job.run}, not {command.run}")
            job = replace(job, run=command.run)
        try:
            async with self._beating(command.task_token):
                return await step.run(self._bench, job)
        except Conflict as error:
            # The job moved while the step looked at it: the repeat sees how it is now.
            raise StoreUnavailable(str(error), retry_after_seconds=1) from error

    @contextlib.asynccontextmanager
    async def _beating(self, token: str) -> AsyncIterator[None]:
        beat = asyncio.create_task(self._beat(token), name="commands.heartbeat")
        try:
            yield
        finally:
            beat.cancel()

    async def _beat(self, token: str) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            try:
                await self._tokens.heartbeat(token)
            except Unavailable as error:
                log.warning("heartbeat.failed", error=str(error))
            except Conflict:
                return  # timed out: the step ends as it will, its answer is discarded

    async def _discarding(self, answering: Coroutine[Any, Any, None]) -> None:
        try:
            await answering
        except Conflict:
            log.warning("answer.discarded")
