"""Promotion by a person: a version becomes what its endpoint serves, and the champion."""

import structlog
from penstock.channels.commands import CHANNEL, VERSION, CommandMessage
from penstock.domain.endpoints import Deployment, EndpointStatus
from penstock.domain.errors import EndpointUnavailable, NotFound, StoreUnavailable
from penstock.ports import Delivery, Publisher
from penstock.registry import ModelVersion
from penstock.runtime.clock import new_id

from training_orchestrator.bodies import ServeInstanceBody
from training_orchestrator.deployment import Change, go_on
from training_orchestrator.jobs_store import body_of
from training_orchestrator.step import DeployFailed, Workbench

log = structlog.get_logger()

STEP_NAME = "promote"
_VISITS_PER_MESSAGE = 15
"""Below the queue's most receives (20): then the order goes on as a new message."""


class Promotions:
    """Changes of an endpoint that a person asked for; nobody waits for their end."""

    def __init__(self, bench: Workbench, commands: Publisher) -> None:
        """Wire what is changed, and the queue that carries the order."""
        self._bench = bench
        self._commands = commands

    async def begin(self, model: str, version: str) -> tuple[ModelVersion, bool]:
        """Promote a version; tell whether it serves already or its endpoint is yet to change.

        Raise NotFound where it is not registered, LeaseHeld while another change is under way.
        """
        found = await self._bench.registry.get(model, version)
        if await self._serves(found):
            await self._bench.registry.promote(model, found.version, at=self._bench.clock.now())
            return found, True
        change = await self._change(found)
        await go_on(self._bench, change)
        await self._send(found)
        return found, False

    async def go_on(self, command: CommandMessage, delivery: Delivery) -> None:
        """Go one part further with an order; raise EndpointUnavailable to be asked again."""
        version = await self._ordered(command)
        change = await self._change(version)
        try:
            deployment, reason = await go_on(self._bench, change)
        except DeployFailed:
            await self._bench.leases.release(change.lease, change.holder)
            raise
        if deployment in {Deployment.SERVING, Deployment.ROLLED_BACK}:
            await self._bench.leases.release(change.lease, change.holder)
            log.info("promotion.ended", outcome=deployment.value, reason=reason)
        elif delivery.receive_count >= _VISITS_PER_MESSAGE:
            await self._send(version)
        else:
            raise EndpointUnavailable(reason, retry_after_seconds=self._bench.soon)

    async def _ordered(self, command: CommandMessage) -> ModelVersion:
        job = await self._bench.jobs.load(command.job_id)
        async for version in self._bench.registry.versions(job.model):
            if (version.job_id, version.run) == (command.job_id, command.run):
                return version
        raise NotFound(f"run {command.run} of job {command.job_id} registered no version")

    async def _serves(self, version: ModelVersion) -> bool:
        endpoint = await self._bench.endpoints.describe(version.endpoint)
        if endpoint is None or endpoint.status is not EndpointStatus.IN_SERVICE:
            return False
        return endpoint.config == self._bench.version_name(version.model, version.version)

    async def _change(self, version: ModelVersion) -> Change:
        job = await self._bench.jobs.load(version.job_id)
        holder = f"promotion of {version.model} {version.version}"
        instance: ServeInstanceBody = body_of(job).rollout.instance
        return Change(version, instance, holder)

    async def _send(self, version: ModelVersion) -> None:
        message = CommandMessage(
            version=VERSION, id=new_id(self._bench.clock), created_at=self._bench.clock.now(),
            job_id=version.job_id, run=version.run, step=STEP_NAME, task_token="",
        )  # fmt: skip
        for outcome in await self._commands.publish([CHANNEL.encode(message)]):
            if not outcome.is_durable:
                raise StoreUnavailable(f"sending the order: {outcome.error}")
