"""`/_penstock`: health, logs and faults, which AWS offers elsewhere or not at all."""

import asyncio
from collections import Counter
from pathlib import Path

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from penstock_local.sagemaker.body import read_body
from penstock_local.sagemaker.faults import FAULT_LIST, Faults
from penstock_local.sagemaker.isolation import Isolation
from penstock_local.sagemaker.logs import Logs
from penstock_local.sagemaker.store import Tables
from penstock_local.sagemaker.wire import ServiceError

_MAX_FAULTS_BYTES = 64 * 1024
_MAX_LOG_BYTES = 4 * 1024 * 1024


class Admin:
    def __init__(self, *, tables: Tables, logs: Logs, faults: Faults, isolation: Isolation) -> None:
        self._tables = tables
        self._logs = logs
        self._faults = faults
        self._isolation = isolation

    def routes(self) -> list[Route]:
        """Routes below `/_penstock`."""
        return [
            Route("/health", self.health),
            Route("/faults", self.list_faults),
            Route("/faults", self.put_faults, methods=["PUT"]),
            Route("/faults", self.clear_faults, methods=["DELETE"]),
            Route("/logs/training-jobs/{name}", self.job_log),
            Route("/logs/endpoints/{name}/{variant}", self.variant_log),
        ]

    async def health(self, _request: Request) -> Response:
        """Say that the server works, and in what state its resources are."""
        jobs = Counter(job.status.value for job in self._tables.jobs.all())
        endpoints = Counter(endpoint.status.value for endpoint in self._tables.endpoints.all())
        body = {
            "status": "ok",
            "isolation": self._isolation.mode,
            "training_jobs": jobs,
            "endpoints": endpoints,
        }
        return JSONResponse(body)

    async def list_faults(self, _request: Request) -> Response:
        return JSONResponse(self._faults.report())

    async def put_faults(self, request: Request) -> Response:
        """Replace all faults in force."""
        try:
            body = await read_body(request, _MAX_FAULTS_BYTES, code="InvalidFaults")
            faults = FAULT_LIST.validate_json(body)
        except ServiceError as error:
            return _refused(error.code, error.message or "", status=error.status)
        except ValidationError as error:
            return _refused("InvalidFaults", str(error), status=422)
        self._faults.replace(faults)
        return JSONResponse(self._faults.report())

    async def clear_faults(self, _request: Request) -> Response:
        self._faults.replace([])
        return JSONResponse([])

    async def job_log(self, request: Request) -> Response:
        """Answer a job's log as plain text; `?offset=` reads on."""
        name = request.path_params["name"]
        if self._tables.jobs.get(name) is None:
            return _refused("UnknownJob", f"There is no training job {name}.", status=404)
        return await self._log(request, self._logs.for_job(name))

    async def variant_log(self, request: Request) -> Response:
        name, variant = request.path_params["name"], request.path_params["variant"]
        endpoint = self._tables.endpoints.get(name)
        deployments = (endpoint.current, endpoint.pending) if endpoint else ()
        known = {plan.name for entry in deployments if entry for plan in entry.variants}
        if variant not in known:
            return _refused("UnknownVariant", f"There is no variant {name}/{variant}.", status=404)
        return await self._log(request, self._logs.for_variant(name, variant))

    async def _log(self, request: Request, path: Path) -> Response:
        offset = request.query_params.get("offset", "0")
        if not offset.isdecimal():
            return _refused("InvalidOffset", "offset is a number of bytes.", status=422)
        part = await asyncio.to_thread(
            self._logs.read, path, offset=int(offset), at_most=_MAX_LOG_BYTES
        )
        headers = {"X-Penstock-Next-Offset": str(part.next_offset)}
        return Response(part.content, media_type="text/plain; charset=utf-8", headers=headers)


def _refused(error: str, detail: str, *, status: int) -> Response:
    return JSONResponse({"error": error, "detail": detail}, status_code=status)
