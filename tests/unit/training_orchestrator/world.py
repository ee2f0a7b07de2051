"""The orchestrator over memory: an application, its ports, and hands to move them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI
from penstock import model_types
from penstock.adapters.memory import (
    FakeClock,
    MemoryKeyValueStore,
    MemoryModelHost,
    MemoryObjectStore,
    MemoryQueue,
)
from penstock.adapters.memory_training import (
    MemoryEndpoints,
    MemoryExecutions,
    MemoryTaskTokens,
    MemoryTrainingLogs,
    MemoryTrainings,
)
from penstock.domain.jobs import Job
from penstock.model_type import ModelType
from penstock.plugins import discover
from penstock.registry import ModelRegistry
from penstock.runtime import auth, http
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics
from penstock.source_settings import SourceBody, SourceStore
from training_orchestrator import steps
from training_orchestrator.api import Doors, build_app, obedience, wire
from training_orchestrator.datasets_store import DatasetsStore
from training_orchestrator.dependencies import State
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.leases import Leases
from training_orchestrator.obey import Obey
from training_orchestrator.settings import Settings
from training_orchestrator.step import Step, StepAnswer, Workbench
from training_orchestrator.versions import Versions

from tests.unit.training_orchestrator.factories import make_request

TOKENS = {"look": "viewer", "do": "operator", "rule": "admin"}
STEPS = discover(steps, attribute="STEP", kind=Step)
MODEL_TYPES = discover(model_types, attribute="MODEL_TYPE", kind=ModelType)


@dataclass
class World:
    """Everything of one orchestrator."""

    settings: Settings = field(default_factory=Settings)
    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryKeyValueStore = field(default_factory=MemoryKeyValueStore)
    objects: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    slices: MemoryQueue = field(default_factory=lambda: MemoryQueue("slices"))
    commands: MemoryQueue = field(default_factory=lambda: MemoryQueue("commands"))
    executions: MemoryExecutions = field(default_factory=MemoryExecutions)
    tokens: MemoryTaskTokens = field(default_factory=MemoryTaskTokens)
    logs: MemoryTrainingLogs = field(default_factory=MemoryTrainingLogs)
    on_invoke: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    stop: Stop = field(default_factory=Stop)

    def __post_init__(self) -> None:
        self.trainings = MemoryTrainings(self.clock)
        self.endpoints = MemoryEndpoints(self.clock)
        self.bench = Workbench(
            settings=self.settings,
            store=self.store,
            jobs=JobsStore(self.store, self.clock),
            datasets=DatasetsStore(self.store, self.clock),
            registry=ModelRegistry(self.store),
            model_types=MODEL_TYPES,
            trainings=self.trainings,
            endpoints=self.endpoints,
            models=MemoryModelHost(self.on_invoke),
            objects=self.objects,
            bucket="penstock-training",
            leases=Leases(self.store, self.clock),
            versions=Versions(self.store),
            clock=self.clock,
        )
        doors = Doors(self.slices, self.commands, self.executions, self.logs)
        self.state: State = wire(self.bench, doors, self.stop)
        self.obey: Obey = obedience(self.state, self.tokens)
        self.metrics = Metrics("training-orchestrator")

    def app(self) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            yield

        app = build_app(lifespan)
        app.state.orchestrator = self.state
        auth.install_tokens(app.state, TOKENS)  # type: ignore[arg-type]  # roles as plain text
        http.install(app, clock=self.clock, metrics=self.metrics, checks={})
        return app

    def client(self, as_whom: str | None = "do") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {as_whom}"} if as_whom else {}
        transport = httpx.ASGITransport(self.app())
        return httpx.AsyncClient(transport=transport, base_url="http://penstock", headers=headers)

    async def add_source(self, name: str = "n3uron-site01") -> None:
        source = SourceBody.model_validate(
            {"name": name, "plugin": "n3uron", "base_url": "https://n3uron.example"}
        )
        await SourceStore(self.store).put(source)

    async def accepted(self, **parts: Any) -> Job:
        """A job as POST /v1/jobs makes it, its pull not begun."""
        await self.add_source()
        accepted = await self.state.acceptance.check(make_request(**parts))
        caller = auth.Caller("anna", "operator")
        return await self.state.acceptance.create(accepted, caller, key=None, raw=b"")

    async def do(self, job: Job, step: str) -> StepAnswer:
        """Do one step on the job as it now is."""
        return await STEPS[step].run(self.bench, await self.bench.jobs.load(job.job_id))
