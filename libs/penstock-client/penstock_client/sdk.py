"""The SDK for notebooks: `Penstock(url, token)` and what hangs below it."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from types import TracebackType

import httpx

from penstock_client.errors import JobFailed
from penstock_client.http import Json, Session

FINAL = frozenset({"COMPLETED", "FAILED", "STOPPED"})
OnProgress = Callable[[Json], None]


class Jobs:
    """Training jobs."""

    def __init__(self, session: Session) -> None:
        """Keep the session."""
        self._session = session

    def start(self, body: Json, *, idempotency_key: str | None = None) -> Json:
        """Start a job; the same key starts it once however often it is sent."""
        key = idempotency_key or uuid.uuid4().hex
        return self._session.post("/v1/jobs", body, headers={"idempotency-key": key})

    def dry_run(self, body: Json) -> Json:
        """Tell slices, rows, minutes and every fault of the body, starting nothing."""
        return self._session.post("/v1/jobs?dry_run=true", body)

    def get(self, job_id: str) -> Json:
        """Read a job."""
        return self._session.get(f"/v1/jobs/{job_id}")

    def list(self, **filters: object) -> Iterator[Json]:
        """Walk the jobs, newest first."""
        return self._session.items("/v1/jobs", **filters)

    def stop(self, job_id: str) -> Json:
        """Ask a job to stop."""
        return self._session.post(f"/v1/jobs/{job_id}/stop")

    def retry(self, job_id: str) -> Json:
        """Run a failed or stopped job again."""
        return self._session.post(f"/v1/jobs/{job_id}/retry")

    def logs(self, job_id: str) -> str:
        """Read the training program's own log."""
        return self._session.text(f"/v1/jobs/{job_id}/logs")

    def wait(
        self,
        job_id: str,
        *,
        timeout_seconds: float = 3600.0,
        every_seconds: float = 1.0,
        on_progress: OnProgress | None = None,
    ) -> Json:
        """Wait until a job ends; raise JobFailed unless it completed, TimeoutError when late.

        `on_progress` is called with the job each time it is read.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            job = self.get(job_id)
            if on_progress:
                on_progress(job)
            if job["status"] == "COMPLETED":
                return job
            if job["status"] in FINAL:
                raise JobFailed(job)
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job_id} is still {job['status']}; it goes on without you")
            time.sleep(every_seconds)


class Named:
    """A collection whose members are written under their names."""

    def __init__(self, session: Session, path: str) -> None:
        """Keep the session and the path."""
        self._session = session
        self._path = path

    def put(self, name: str, body: Json) -> Json:
        """Create or replace."""
        return self._session.put(f"{self._path}/{name}", body)

    def get(self, name: str) -> Json:
        """Read one."""
        return self._session.get(f"{self._path}/{name}")

    def delete(self, name: str) -> Json:
        """Remove one."""
        return self._session.delete(f"{self._path}/{name}")

    def list(self, **filters: object) -> Iterator[Json]:
        """Walk all."""
        return self._session.items(self._path, **filters)


class Gateways(Named):
    """Gateways and their keys."""

    def add_key(self, gateway_id: str) -> Json:
        """Make a key; the answer is the only place that ever shows it."""
        return self._session.post(f"{self._path}/{gateway_id}/keys")

    def revoke_key(self, gateway_id: str, key_id: str) -> Json:
        """End a key."""
        return self._session.delete(f"{self._path}/{gateway_id}/keys/{key_id}")


class Bindings(Named):
    """Bindings, which can be paused."""

    def pause(self, name: str) -> Json:
        """Ask the model no more; frame state goes on."""
        return self._session.post(f"{self._path}/{name}/pause")

    def resume(self, name: str) -> Json:
        """Ask the model again."""
        return self._session.post(f"{self._path}/{name}/resume")


class Models(Named):
    """Models and their versions."""

    def promote(self, name: str, version: str) -> Json:
        """Make a version champion, deploying it first where its endpoint serves another."""
        return self._session.post(f"{self._path}/{name}/versions/{version}/promote")


class Predictions:
    """What the models said."""

    def __init__(self, session: Session) -> None:
        """Keep the session."""
        self._session = session

    def list(self, **filters: object) -> Iterator[Json]:
        """Walk predictions by `binding`, `asset`, `from`, `to` (ISO times), oldest first."""
        return self._session.items("/v1/predictions", **filters)

    def latest(self, **filters: object) -> Iterator[Json]:
        """Walk the newest prediction of each asset and binding."""
        return self._session.items("/v1/predictions/latest", **filters)


class Audit:
    """Who changed what."""

    def __init__(self, session: Session) -> None:
        """Keep the session."""
        self._session = session

    def of_day(self, day: date) -> Iterator[Json]:
        """Walk the changes of a UTC day in order of time; needs the role admin."""
        return self._session.items("/v1/audit", day=day.isoformat())


class Penstock:
    """All of Penstock behind one address."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        token: str = "",
        *,
        timeout_seconds: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open a session; nothing is sent yet."""
        self.session = Session(url, token, timeout_seconds=timeout_seconds, transport=transport)
        self.jobs = Jobs(self.session)
        self.assets = Named(self.session, "/v1/assets")
        self.asset_types = Named(self.session, "/v1/asset-types")
        self.bindings = Bindings(self.session, "/v1/bindings")
        self.sources = Named(self.session, "/v1/sources")
        self.gateways = Gateways(self.session, "/v1/gateways")
        self.models = Models(self.session, "/v1/models")
        self.endpoints = Named(self.session, "/v1/endpoints")
        self.datasets = Named(self.session, "/v1/datasets")
        self.dead_letters = Named(self.session, "/v1/dead-letters")
        self.quarantine = Named(self.session, "/v1/quarantine")
        self.predictions = Predictions(self.session)
        self.audit = Audit(self.session)

    def __enter__(self) -> "Penstock":
        """Use as `with Penstock(...) as penstock`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.session.close()
