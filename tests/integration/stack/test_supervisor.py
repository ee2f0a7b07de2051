"""The supervisor over small parts of the test's own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from penstock_local import stackfile
from penstock_local.identity import lives
from penstock_local.part import Finished, Part, Ready, RestartPolicy, TcpReady
from penstock_local.ports import free_port
from penstock_local.running import PartFailed, State
from penstock_local.supervisor import Supervisor

from tests.fixtures.waiting import PATIENCE_SECONDS, until

QUICK = RestartPolicy(first_delay_seconds=0.05, ceiling_seconds=0.2)
SERVE = """
import signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listener.accept()[0].close()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE


async def always() -> bool:
    return True


def python(name: str, code: str, *arguments: str, ready: Ready = always, **options: object) -> Part:
    return Part(
        name=name,
        argv=(sys.executable, "-I", "-S", "-c", code, *arguments),
        env=dict(os.environ),
        ready=ready,
        restart=QUICK,
        **options,  # type: ignore[arg-type]  # fields of Part
    )


def server(name: str = "server", code: str = SERVE, **options: object) -> Part:
    port = free_port()
    return python(name, code, str(port), ready=TcpReady(port), **options)


def appender(name: str, path: Path, **options: object) -> Part:
    """A part that writes a line and ends."""
    code = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"
    return python(name, code, str(path), name, ready=Finished(), **options)


@asynccontextmanager
async def running(folder: Path, *parts: Part) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(parts, state_dir=folder)
    run = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stopping.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await run


def pid_of(supervisor: Supervisor, name: str) -> int:
    identity = supervisor.parts[name].status.identity
    assert identity is not None
    return identity.pid


async def test_parts_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    order: list[tuple[str, State]] = []
    parts = [server("last", depends_on=("middle",)), server("first")]
    parts.append(server("middle", depends_on=("first",)))
    supervisor = Supervisor(
        parts,
        state_dir=tmp_path,
        on_change=lambda running: order.append((running.part.name, running.status.state)),
    )
    run = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.is_ready)
    supervisor.stopping.set()
    await run

    ready = [name for name, state in order if state is State.READY]
    stopped = [name for name, state in order if state is State.STOPPED]
    assert (ready, stopped) == (["first", "middle", "last"], ["last", "middle", "first"])


async def test_a_killed_part_comes_back_and_the_restart_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path, server()) as supervisor:
        await until(lambda: supervisor.is_ready)
        before = pid_of(supervisor, "server")
        os.kill(before, signal.SIGKILL)
        status = supervisor.parts["server"].status
        await until(lambda: status.restarts == 1 and supervisor.is_ready)

        assert pid_of(supervisor, "server") != before
        found = stackfile.read(tmp_path)
        assert found is not None
        assert found.part("server").restarts == 1


async def test_a_part_that_keeps_dying_is_tried_for_ever_once_it_was_ready(tmp_path: Path) -> None:
    """It serves until the flag is taken away, and then not any more."""
    flag = tmp_path / "flag"
    flag.touch()
    code = f"import os; assert os.path.exists({str(flag)!r})\n{SERVE}"
    async with running(tmp_path, server(code=code)) as supervisor:
        await until(lambda: supervisor.is_ready)
        flag.unlink()
        os.kill(pid_of(supervisor, "server"), signal.SIGKILL)
        status = supervisor.parts["server"].status
        await until(lambda: status.restarts > QUICK.attempts_to_start + 1)
        flag.touch()
        await until(lambda: supervisor.is_ready)


async def test_a_part_that_cannot_start_ends_the_stack_with_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    broken = server("broken", "raise SystemExit('no licence')", depends_on=("server",))
    supervisor = Supervisor([server(), broken], state_dir=tmp_path)
    with pytest.raises(PartFailed, match=r"broken can't start.*3 times(.|\n)*no licence"):
        await supervisor.run()
    assert supervisor.parts["server"].status.state is State.STOPPED


async def test_a_part_whose_command_is_not_installed_says_so(tmp_path: Path) -> None:
    absent = Part(name="absent", argv=("/nonexistent/command",), env={}, ready=always)
    with pytest.raises(PartFailed, match=r"absent can't be run: .*/nonexistent/command"):
        await Supervisor([absent], state_dir=tmp_path).run()


async def test_a_part_that_is_never_ready_says_so(tmp_path: Path) -> None:
    deaf = python(
        "deaf",
        "import signal; signal.pause()",
        ready=TcpReady(free_port()),
        start_timeout_seconds=0.2,
    )
    with pytest.raises(PartFailed, match=r"deaf can't start \(not ready within 0\.2 s"):
        await Supervisor([deaf], state_dir=tmp_path).run()


async def test_a_deaf_part_is_killed_when_its_time_to_stop_is_over(tmp_path: Path) -> None:
    async with running(
        tmp_path, server(code=STUBBORN, stop_timeout_seconds=0.2), server("other")
    ) as supervisor:
        await until(lambda: supervisor.is_ready)
        process = psutil.Process(pid_of(supervisor, "server"))
    assert not lives(process)


async def test_killing_does_not_wait_for_anybody(tmp_path: Path) -> None:
    supervisor = Supervisor([server(code=STUBBORN, stop_timeout_seconds=300)], state_dir=tmp_path)
    run = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.is_ready)
    supervisor.kill()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await run


async def test_a_part_that_finished_runs_again_when_what_it_needs_came_back(
    tmp_path: Path,
) -> None:
    """So a stand-in that lost its last seconds gets its queues again."""
    lines = tmp_path / "lines"
    async with running(
        tmp_path, server("aws"), appender("bootstrap", lines, depends_on=("aws",))
    ) as supervisor:
        await until(lambda: supervisor.is_ready)
        os.kill(pid_of(supervisor, "aws"), signal.SIGKILL)
        await until(lambda: lines.read_text() == "bootstrap\nbootstrap\n")


async def test_a_stop_while_others_wait_for_a_slow_one_is_prompt(tmp_path: Path) -> None:
    slow = python("slow", "import signal; signal.pause()", ready=TcpReady(free_port()))
    async with running(tmp_path, slow, server(depends_on=("slow",))) as supervisor:
        await until(lambda: supervisor.parts["slow"].status.state is State.STARTING)


async def test_what_a_part_writes_is_in_its_log(tmp_path: Path) -> None:
    code = "import sys; print('to output'); print('to error', file=sys.stderr)"
    async with running(tmp_path, python("words", code, ready=Finished())) as supervisor:
        await until(lambda: supervisor.is_ready)
        log = (tmp_path / "logs" / "words.log").read_text()
    assert "to output" in log
    assert "to error" in log
