"""Endpoints: created, updated blue/green, rolled back, deleted, and back after a restart."""

import asyncio
import shutil
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from penstock_local.sagemaker.faults import Faults
from penstock_local.sagemaker.fleet import Fleet, weights_of
from penstock_local.sagemaker.records import Deployment, Endpoint, EndpointStatus
from penstock_local.sagemaker.store import Table
from penstock_local.sagemaker.tasks import Tasks
from penstock_local.sagemaker.tools import Tools
from penstock_local.sagemaker.variant import VariantFailedError

log = structlog.get_logger(__name__)

_MAX_REASON = 1024


class Hosting:
    """Owns every fleet. An endpoint has one change under way at most: its status refuses more."""

    def __init__(self, *, endpoints: Table[Endpoint], faults: Faults, tools: Tools) -> None:
        self._endpoints = endpoints
        self._faults = faults
        self._tools = tools
        self._root = tools.settings.state_dir / "endpoints"
        self._fleets: dict[str, Fleet] = {}
        self._retiring: set[Fleet] = set()
        self._tasks = Tasks()

    def fleet_of(self, endpoint: str) -> Fleet | None:
        """Return what serves the endpoint now; a switch to another fleet is one assignment."""
        return self._fleets.get(endpoint)

    def restore(self) -> None:
        """Take up every endpoint where the last run left it; those that served are Creating.

        One that served once and could not be brought back gets another try at every start.
        """
        for endpoint in self._endpoints.all():
            if endpoint.status is EndpointStatus.DELETING:
                self._endpoints.delete(endpoint.name)
            elif endpoint.status is not EndpointStatus.FAILED or endpoint.current is not None:
                self._set(endpoint.name, status=EndpointStatus.CREATING)
                self._start(endpoint.name, self._bring_back(endpoint.name))
        self._remove_strange_folders()

    def create(self, endpoint: Endpoint) -> None:
        """Accept a new endpoint, durably, and bring its pending deployment up."""
        self._endpoints.put(endpoint)
        self._start(endpoint.name, self._create(endpoint.name))

    def update(self, endpoint: Endpoint) -> None:
        """Accept a pending deployment, durably, and switch to it when all of it serves."""
        self._endpoints.put(endpoint)
        self._start(endpoint.name, self._update(endpoint.name))

    def reweigh(self, endpoint: Endpoint) -> None:
        """Accept new weights, durably; the running fleet follows."""
        self._endpoints.put(endpoint)
        self._start(endpoint.name, self._reweigh(endpoint.name))

    def delete(self, endpoint: Endpoint) -> None:
        """Take no more requests, finish those in flight, then forget the endpoint."""
        self._set(endpoint.name, status=EndpointStatus.DELETING)
        self._start(endpoint.name, self._delete(endpoint.name))

    async def close(self) -> None:
        """End every process. The endpoints stay as they are on disk, for the next `restore`."""
        await self._tasks.close()
        grace = self._tools.settings.shutdown_grace_seconds
        fleets = {*self._fleets.values(), *self._retiring}
        await asyncio.gather(*(fleet.stop(grace) for fleet in fleets))

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.start(
            f"endpoint {name}", work, on_crash=lambda error: self._crashed(name, error)
        )

    def _crashed(self, name: str, error: BaseException) -> None:
        """A bug of ours must not leave an endpoint in progress for ever."""
        status = EndpointStatus.IN_SERVICE if name in self._fleets else EndpointStatus.FAILED
        self._set(name, status=status, pending=None, failure_reason=repr(error))

    async def _create(self, name: str) -> None:
        await self._faults.hold_while_stuck(name)
        pending = self._get(name).pending
        if pending is not None:
            await self._bring_up(name, pending)

    async def _bring_back(self, name: str) -> None:
        endpoint = self._get(name)
        if endpoint.current is None:
            await self._create(name)
            return
        await self._bring_up(name, endpoint.current, pending=endpoint.pending)
        if endpoint.pending is not None and name in self._fleets:
            self._set(name, status=EndpointStatus.UPDATING)
            await self._update(name)

    async def _bring_up(
        self, name: str, deployment: Deployment, *, pending: Deployment | None = None
    ) -> None:
        try:
            fleet = await self._start_fleet(name, deployment)
        except VariantFailedError as error:
            self._set(
                name,
                status=EndpointStatus.FAILED,
                pending=None,
                failure_reason=str(error)[:_MAX_REASON],
            )
            return
        self._fleets[name] = fleet
        self._set(
            name,
            status=EndpointStatus.IN_SERVICE,
            current=deployment,
            pending=pending,
            failure_reason=None,
        )

    async def _update(self, name: str) -> None:
        endpoint = self._get(name)
        if endpoint.pending is None or self._faults.take("silent_rollback", name):
            self._set(name, status=EndpointStatus.IN_SERVICE, pending=None)
            return
        try:
            fleet = await self._start_fleet(name, endpoint.pending)
        except VariantFailedError as error:
            await self._roll_back(name, endpoint.pending, str(error)[:_MAX_REASON])
            return
        retiring = self._fleets[name]
        self._fleets[name] = fleet
        self._set(
            name,
            status=EndpointStatus.IN_SERVICE,
            config_name=endpoint.pending.config_name,
            current=endpoint.pending,
            pending=None,
            failure_reason=None,
        )
        await self._retire(retiring)

    async def _roll_back(self, name: str, failed: Deployment, reason: str) -> None:
        """The old fleet has served all along; only the new one's remains have to go."""
        self._set(name, status=EndpointStatus.ROLLING_BACK, failure_reason=reason)
        await asyncio.to_thread(self._remove_folder, name, failed)
        self._set(name, status=EndpointStatus.IN_SERVICE, pending=None)

    async def _reweigh(self, name: str) -> None:
        current = self._get(name).current
        if current is not None:
            self._fleets[name].weights = weights_of(current)
        self._set(name, status=EndpointStatus.IN_SERVICE)

    async def _delete(self, name: str) -> None:
        fleet = self._fleets.pop(name, None)
        if fleet is not None:
            await self._retire(fleet)
        await asyncio.to_thread(shutil.rmtree, self._root / name, ignore_errors=True)
        self._endpoints.delete(name)
        log.info("endpoint.deleted", endpoint=name)

    async def _retire(self, fleet: Fleet) -> None:
        self._retiring.add(fleet)
        await fleet.retire(self._tools.settings.invocation_timeout_seconds)
        self._retiring.discard(fleet)  # not in `finally`: cancelled, it is left to `close`

    async def _start_fleet(self, name: str, deployment: Deployment) -> Fleet:
        fleet = Fleet(deployment, endpoint=name, root=self._root, tools=self._tools)
        await fleet.start()
        return fleet

    def _get(self, name: str) -> Endpoint:
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            raise LookupError(f"endpoint {name} is gone")
        return endpoint

    def _set(self, name: str, *, status: EndpointStatus, **changes: Any) -> None:
        changed = replace(
            self._get(name), status=status, modified_at=self._tools.clock(), **changes
        )
        self._endpoints.put(changed)
        log.info(
            "endpoint.changed",
            endpoint=name,
            status=status,
            config=changed.config_name,
            reason=changed.failure_reason,
        )

    def _remove_folder(self, name: str, deployment: Deployment) -> None:
        shutil.rmtree(self._root / name / deployment.id, ignore_errors=True)

    def _remove_strange_folders(self) -> None:
        """Remove the models of deployments that no endpoint has any more."""
        wanted = {
            self._root / endpoint.name / deployment.id
            for endpoint in self._endpoints.all()
            for deployment in (endpoint.current, endpoint.pending)
            if deployment is not None
        }
        for folder in self._root.glob("*/*"):
            if folder not in wanted:
                shutil.rmtree(folder, ignore_errors=True)
        for folder in self._root.glob("*"):
            with suppress(OSError):
                folder.rmdir()
