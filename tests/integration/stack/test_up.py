"""The command `penstock-local` over the real stand-ins."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest
from penstock_local import stackfile
from penstock_local.children import forking
from penstock_local.identity import lives
from penstock_local.ports import free_port
from penstock_local.stack import PenstockStack

from tests.fixtures.stack import family, listening, state_folder
from tests.fixtures.waiting import wait_until

STAND_INS = ("bootstrap", "snowflake", "sagemaker")


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-m", "penstock_local", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def stack() -> Iterator[PenstockStack]:
    with state_folder() as folder, PenstockStack(folder, only=STAND_INS) as stack:
        yield stack


def test_everything_listens_on_loopback_only(stack: PenstockStack) -> None:
    address_by_port = listening(family(stack.supervisor_pid))
    assert {part.port for part in stack.content.parts if part.port} <= set(address_by_port)
    assert set(address_by_port.values()) == {"127.0.0.1"}


def test_status_shows_each_part_and_says_by_its_exit_whether_all_are_ready(
    stack: PenstockStack,
) -> None:
    shown = command("status", "--state-dir", str(stack.state_dir))
    assert shown.returncode == 0
    for part in stack.content.parts:
        assert part.name in shown.stdout
        assert part.endpoint in shown.stdout

    machine = command("status", "--json", "--state-dir", str(stack.state_dir))
    assert json.loads(machine.stdout)["parts"]["aws"]["endpoint"] == stack.endpoint("aws")


def test_a_second_supervisor_is_refused(stack: PenstockStack) -> None:
    refused = command("up", "--ports", "free", "--state-dir", str(stack.state_dir))
    assert refused.returncode == 1
    assert f"pid {stack.supervisor_pid}" in refused.stdout


def test_migrate_finds_the_data_base_of_the_stack(stack: PenstockStack) -> None:
    assert command("migrate", "--state-dir", str(stack.state_dir)).returncode == 0


def test_a_killed_stand_in_comes_back_with_its_queues(stack: PenstockStack) -> None:
    bootstraps = bootstrap_runs(stack)
    before = stack.kill("aws")
    stack.wait_until_back("aws", before=before)
    wait_until(lambda: bootstrap_runs(stack) > bootstraps, "the bootstrap runs again")
    stack.wait_until(lambda content: content.is_ready, "ready again", seconds=60)
    assert "penstock-inference" in {url.rsplit("/", 1)[1] for url in _queue_urls(stack)}


def bootstrap_runs(stack: PenstockStack) -> int:
    return (stack.state_dir / "logs" / "bootstrap.log").read_text().count("===\n")


def _queue_urls(stack: PenstockStack) -> list[str]:
    variables = stack.environment
    sqs = boto3.client(
        "sqs",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    found: list[str] = sqs.list_queues().get("QueueUrls", [])
    return found


def test_rows_survive_down_and_a_kill_and_nothing_is_left_running(state_dir: Path) -> None:
    with PenstockStack(state_dir, only=["postgres"]) as stack:
        with psycopg.connect(stack.endpoint("postgres")) as connection:
            connection.execute("create table kept as select 7 as n")
        processes = family(stack.supervisor_pid)
        ended = command("down", "--state-dir", str(state_dir))
        assert (ended.returncode, ended.stdout) == (0, "stopped\n")
        assert not any(lives(process) for process in processes[1:])
        assert stack.stop() == 0
        assert stackfile.read(state_dir) is None

    with PenstockStack(state_dir, only=["postgres"]) as stack:
        assert kept_in(stack) == [(7,)]
        processes = family(stack.supervisor_pid)
        os.kill(stack.supervisor_pid, signal.SIGKILL)
        stack.stop()
        wait_until(lambda: not any(map(lives, processes)), "all have ended")
        # What it left in `stack.json` does not mislead the next one.
        assert "no stack runs" in command("status", "--state-dir", str(state_dir)).stdout

    with PenstockStack(state_dir, only=["postgres"]) as stack:
        assert kept_in(stack) == [(7,)]


def kept_in(stack: PenstockStack) -> list[tuple[object, ...]]:
    with psycopg.connect(stack.endpoint("postgres")) as connection:
        return connection.execute("select n from kept").fetchall()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_what_a_killed_supervisor_leaves_is_ended_by_down(state_dir: Path) -> None:
    with PenstockStack(state_dir, only=["aws"]) as stack:
        left = psutil.Process(stack.pid("aws"))
        left.suspend()  # so that it can't follow the kernel's request
        os.kill(stack.supervisor_pid, signal.SIGKILL)
        stack.stop()

        ended = command("down", "--state-dir", str(state_dir))
        assert "ended 1 processes" in ended.stdout
        assert not lives(left)
        assert stackfile.read(state_dir) is None


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_on_a_terminal_ends_everything(state_dir: Path, presses: int) -> None:
    pid, terminal, drawn = up_on_a_terminal(state_dir)
    processes = family(pid)
    for _ in range(presses):
        os.write(terminal, b"\x03")
    read_until(terminal, b"", drawn)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert b"restarts" in drawn  # the heading of the table
    assert not any(map(lives, processes))
    assert stackfile.read(state_dir) is None


def test_a_terminal_that_is_closed_ends_everything(state_dir: Path) -> None:
    pid, terminal, _ = up_on_a_terminal(state_dir)
    processes = family(pid)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert not any(map(lives, processes))


def up_on_a_terminal(state_dir: Path) -> tuple[int, int, bytearray]:
    """A supervisor as people start it, once all is ready: its pid, the terminal, what it shows."""
    words = ["up", "--ports", "free", "--only", "aws", "--state-dir", str(state_dir)]
    with forking():
        pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "penstock_local", *words])  # noqa: S606
    drawn = bytearray()
    read_until(terminal, b"Ctrl-C ends it", drawn)
    return pid, terminal, drawn


def read_until(terminal: int, words: bytes, drawn: bytearray) -> None:
    """Read what the terminal shows until it shows the words, or without words to its end."""
    while not words or words not in drawn:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # nobody has the other side open any more
            piece = b""
        drawn += piece
        if not piece:
            assert not words, f"it ended before {words!r}: {drawn.decode()[-2000:]}"
            return


def test_a_taken_port_is_named_before_anything_starts(state_dir: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        refused = command(
            "up", "--state-dir", str(state_dir), "--only", "aws", "--port", f"aws={port}"
        )
    assert refused.returncode == 1
    assert f"port {port}, which aws wants, is taken" in refused.stdout.replace("\n", " ")
    assert stackfile.read(state_dir) is None
