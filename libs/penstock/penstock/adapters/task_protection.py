"""Task protection of ECS: scale-in and deployments leave a task alone while it works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import structlog

from penstock.ports import TaskProtection

AGENT_VARIABLE = "ECS_AGENT_URI"
"""Set by ECS in every task on Fargate; elsewhere there is nobody to ask."""
_PATH = "/task-protection/v1/state"
_TIMEOUT_SECONDS = 5.0
_EXPIRES_MINUTES = 60
"""A process that dies without a word must not keep its task for ever."""
_RENEW_SECONDS = 20 * 60.0

log = structlog.get_logger()


def open_task_protection(agent_uri: str | None) -> TaskProtection:
    """Protect by the agent at that address; without one there is nothing to be spared from."""
    return EcsTaskProtection(agent_uri) if agent_uri else NoTaskProtection()


class NoTaskProtection:
    """Where nobody ends tasks."""

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Do nothing."""
        yield


class EcsTaskProtection:
    """Asks the agent of the task, and asks again before the protection ends by itself."""

    def __init__(self, agent_uri: str, *, renew_seconds: float = _RENEW_SECONDS) -> None:
        """Keep where the agent is."""
        self._url = agent_uri.rstrip("/") + _PATH
        self._renew_seconds = renew_seconds
        self._holders = 0
        self._changing = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Be protected from the first holder's begin to the last one's end."""
        self._holders += 1
        try:
            await self._follow()
            yield
        finally:
            self._holders -= 1
            # A cancelled holder lets go too: else an idle task would be spared for an hour.
            await asyncio.shield(self._follow())

    async def _follow(self) -> None:
        """Bring the agent to what the holders need now, wherever an earlier change was cut off."""
        async with self._changing:
            if self._holders > 0 and self._renewing is None:
                self._renewing = asyncio.create_task(self._renew(), name="task-protection.renew")
                await self._tell(is_protected=True)
            elif self._holders == 0 and self._renewing is not None:
                self._renewing.cancel()
                await asyncio.wait({self._renewing})
                self._renewing = None
                await self._tell(is_protected=False)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._renew_seconds)
            await self._tell(is_protected=True)

    async def _tell(self, *, is_protected: bool) -> None:
        body: dict[str, object] = {"ProtectionEnabled": is_protected}
        if is_protected:
            body["ExpiresInMinutes"] = _EXPIRES_MINUTES
        try:
            # Link-local: a proxy of the environment is not meant for it.
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
                answer = await client.put(self._url, json=body)
                fault = _fault(answer)
        except httpx.HTTPError as error:
            fault = f"{type(error).__name__}: {error}"
        if fault is not None:
            log.warning("task.not_protected", wanted=is_protected, error=fault)


def _fault(answer: httpx.Response) -> str | None:
    """Say why the agent refused: a failure of one task comes under 200 as well."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    if answer.is_success and isinstance(told, dict) and "protection" in told:
        return None
    return f"{answer.status_code}: {answer.text[:300]}"
