"""Task protection against a small HTTP server that answers as the agent of ECS does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import pytest
from penstock.adapters.task_protection import EcsTaskProtection, open_task_protection

Answer = Callable[[dict[str, object]], tuple[int, str]]

PROTECTED = json.dumps({"protection": {"ProtectionEnabled": True, "TaskArn": "arn"}})
FAILURE = json.dumps({"failure": {"Arn": "arn", "Reason": "TASK_NOT_VALID"}})


class Agent:
    """What was asked of it, and an event for each question."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.uri = ""
        self._answer = answer
        self._told = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1])
            for line in head.splitlines()
            if line.lower().startswith("content-length")
        )
        body = json.loads(await reader.readexactly(length))
        status, text = self._answer(body)
        headers = f"content-length: {len(text)}\r\nconnection: close"
        writer.write(f"HTTP/1.1 {status} X\r\n{headers}\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with self._told:
            self.asked.append((head.splitlines()[0], body))
            self._told.notify_all()

    async def until(self, count: int) -> None:
        async with self._told:
            await self._told.wait_for(lambda: len(self.asked) >= count)


@contextlib.asynccontextmanager
async def agent(answer: Answer = lambda _: (200, PROTECTED)) -> AsyncIterator[Agent]:
    made = Agent(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/abc"
    async with server:
        yield made


ON = {"ProtectionEnabled": True, "ExpiresInMinutes": 60}
OFF = {"ProtectionEnabled": False}


async def test_a_task_is_spared_while_it_works_and_not_after() -> None:
    async with agent() as ecs:
        async with EcsTaskProtection(ecs.uri).held():
            assert ecs.asked == [("PUT /api/abc/task-protection/v1/state HTTP/1.1", ON)]
        assert [body for _, body in ecs.asked] == [ON, OFF]


async def test_the_last_of_two_works_ends_it() -> None:
    async with agent() as ecs:
        protection = EcsTaskProtection(ecs.uri)
        async with protection.held():
            async with protection.held():
                pass
            assert [body for _, body in ecs.asked] == [ON]
        async with protection.held():
            pass
        assert [body for _, body in ecs.asked] == [ON, OFF, ON, OFF]


async def test_long_work_asks_again_before_the_protection_ends() -> None:
    async with agent() as ecs:
        async with EcsTaskProtection(ecs.uri, renew_seconds=0.005).held():
            await ecs.until(4)
        bodies = [body for _, body in ecs.asked]
        assert bodies[:4] == [ON, ON, ON, ON]
        assert bodies[-1] == OFF


async def test_work_that_fails_or_is_cancelled_lets_go() -> None:
    async with agent() as ecs:
        protection = EcsTaskProtection(ecs.uri)
        with pytest.raises(ValueError, match="work"):
            async with protection.held():
                raise ValueError("work")
        assert ecs.asked[-1][1] == OFF

        async def work() -> None:
            async with protection.held():
                begun.set()
                await asyncio.Event().wait()

        begun = asyncio.Event()
        task = asyncio.create_task(work())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [body for _, body in ecs.asked] == [ON, OFF, ON, OFF]


async def test_a_work_that_is_cancelled_while_it_asks_lets_go_too() -> None:
    """Cancelled between question and answer, it may be protected without knowing."""
    async with agent() as ecs:
        protection = EcsTaskProtection(ecs.uri)

        async def work() -> None:
            async with protection.held():
                raise AssertionError("it was cancelled before")

        task = asyncio.create_task(work())
        await ecs.until(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with protection.held():
            pass
        assert [body for _, body in ecs.asked] == [ON, OFF, ON, OFF]


@pytest.mark.parametrize(
    "answer",
    [lambda _: (200, FAILURE), lambda _: (500, "{}"), lambda _: (429, "slow down")],
    ids=["failure of the task", "server error", "throttled"],
)
async def test_an_agent_that_refuses_does_not_stop_the_work(answer: Answer) -> None:
    done = False
    async with agent(answer) as ecs, EcsTaskProtection(ecs.uri).held():
        done = True
    assert done


async def test_an_agent_that_is_not_there_does_not_stop_the_work() -> None:
    async with agent() as ecs:
        gone = ecs.uri
    async with EcsTaskProtection(gone).held():
        pass


async def test_outside_of_ecs_nobody_is_asked() -> None:
    async with open_task_protection(None).held():
        pass
    assert isinstance(open_task_protection("http://169.254.170.2/api/x"), EcsTaskProtection)
