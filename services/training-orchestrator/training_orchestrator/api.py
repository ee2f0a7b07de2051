"""The HTTP application and its parts, around ports: tests put memory behind them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from penstock.plugins import discover
from penstock.ports import Publisher
from penstock.runtime import http
from penstock.runtime.lifecycle import Stop
from penstock.source_settings import SourceStore

from training_orchestrator import steps
from training_orchestrator.accept import Acceptance
from training_orchestrator.bodies import JobBody
from training_orchestrator.control import Control
from training_orchestrator.dependencies import State
from training_orchestrator.distribute import Distributor
from training_orchestrator.faults import FaultyBody, Limits
from training_orchestrator.idempotency import Idempotency
from training_orchestrator.obey import Obey
from training_orchestrator.ports import Executions, TaskTokens, TrainingLogs
from training_orchestrator.promote import Promotions
from training_orchestrator.routes import datasets, endpoints, jobs, models
from training_orchestrator.slices_store import SlicesStore
from training_orchestrator.step import Step, Workbench

ROUTERS = (jobs.router, datasets.router, models.router, endpoints.router)

_DESCRIPTION = """
Pull history from a REST source, prepare a dataset, train, evaluate, deploy: one `POST /v1/jobs`.

A job is PENDING, PULLING, PREPARING, TRAINING, EVALUATING and DEPLOYING, and ends COMPLETED with a
`result` and one sentence why, FAILED or STOPPED; the latter two can be retried, and then only what
is missing is done again. Watch it by `GET /v1/jobs/{id}/events`.
"""


class TrainingApi(FastAPI):
    """Documents the body of a job, which is read part by part instead of by FastAPI."""

    def openapi(self) -> dict[str, Any]:
        """Make the document once."""
        if self.openapi_schema is None:
            document = super().openapi()
            body = JobBody.model_json_schema(ref_template="#/components/schemas/{model}")
            document["components"]["schemas"] |= {**body.pop("$defs"), "JobBody": body}
        return super().openapi()


def build_app(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Make the application around a state that `lifespan` opens."""
    app = TrainingApi(
        title="Penstock training", version="1", description=_DESCRIPTION, lifespan=lifespan
    )
    for router in ROUTERS:
        app.include_router(router)
    app.exception_handler(FaultyBody)(_on_faulty_body)
    return app


async def _on_faulty_body(_request: Request, error: Exception) -> JSONResponse:
    faults = error.faults if isinstance(error, FaultyBody) else ()
    detail = [{"path": fault.path, "message": fault.message} for fault in faults]
    return JSONResponse(http.error_body("InvalidInput", detail), status_code=422)


@dataclass(frozen=True, slots=True)
class Doors:
    """Ways out of the process beside those of the workbench."""

    slices: Publisher
    commands: Publisher
    executions: Executions
    logs: TrainingLogs


def wire(bench: Workbench, doors: Doors, stop: Stop) -> State:
    """Make the parts of the state that are only made of others."""
    idempotency = Idempotency(bench.store, bench.clock)
    distributor = Distributor(
        bench.jobs,
        SlicesStore(bench.store, bench.clock),
        doors.slices,
        doors.executions,
        bench.clock,
    )
    limits = Limits(bench.model_types, bench.settings.instance_types)
    return State(
        bench=bench,
        acceptance=Acceptance(
            bench.jobs, bench.datasets, SourceStore(bench.store), idempotency, limits, bench.clock
        ),
        distributor=distributor,
        control=Control(bench.jobs, bench.datasets, distributor, idempotency, bench.clock),
        promotions=Promotions(bench, doors.commands),
        logs=doors.logs,
        stop=stop,
    )


def obedience(state: State, tokens: TaskTokens) -> Obey:
    """Make the handler of commands with every step there is."""
    found = discover(steps, attribute="STEP", kind=Step)
    return Obey(state.bench, found, tokens, state.promotions)
