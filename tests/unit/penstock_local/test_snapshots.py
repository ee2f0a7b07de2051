import asyncio
import os
import socket
from pathlib import Path

from penstock_local.snapshots import Snapshots, fork_and_call

from tests.fixtures.waiting import PATIENCE_SECONDS, holds_for, wait_until


async def until_exists(path: Path) -> None:
    """The loop goes on meanwhile: it is what takes the snapshots."""
    await asyncio.to_thread(wait_until, path.exists, f"{path.name} is written")


async def test_a_snapshot_holds_memory_as_it_was_and_leaves_ours_alone(tmp_path: Path) -> None:
    memory = ["first"]

    def save() -> None:
        memory.append("only in the fork")
        (tmp_path / "saved.part").write_text(",".join(memory))
        (tmp_path / "saved.part").rename(tmp_path / "saved")

    snapshots = Snapshots(save, interval_seconds=0.01)
    snapshots.start()
    snapshots.touch()
    await until_exists(tmp_path / "saved")
    await snapshots.stop()

    assert (tmp_path / "saved").read_text() == "first,only in the fork"
    assert memory == ["first"]


async def test_nothing_is_saved_while_nothing_was_touched(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    snapshots = Snapshots(saved.touch, interval_seconds=0.001)
    snapshots.start()
    await holds_for(lambda: not saved.exists(), "nothing is saved", seconds=0.1)
    snapshots.touch()
    await until_exists(saved)
    await snapshots.stop()


async def test_stop_gives_up_a_snapshot_under_way(tmp_path: Path) -> None:
    started, finished = tmp_path / "started", tmp_path / "finished"

    def save() -> None:
        started.touch()
        with socket.socket() as never:  # waits for good, without a sleep
            never.bind(("127.0.0.1", 0))
            never.listen()
            never.accept()
        finished.touch()

    snapshots = Snapshots(save, interval_seconds=0.01)
    snapshots.start()
    snapshots.touch()
    await until_exists(started)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await snapshots.stop()
    assert not finished.exists()


def test_a_fork_that_fails_says_so_by_its_status() -> None:
    def fail() -> None:
        raise RuntimeError("disk full")

    _, status = os.waitpid(fork_and_call(fail), 0)
    assert os.waitstatus_to_exitcode(status) == 1


def test_a_fork_lets_go_of_our_sockets(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    reader, writer = os.pipe()

    def save() -> None:
        os.mkfifo(tmp_path / "gate")
        (tmp_path / "gate").read_bytes()  # until we write into it

    pid = fork_and_call(save)
    listener.close()
    wait_until((tmp_path / "gate").exists, "the fork runs")
    with socket.socket() as another:
        another.bind(("127.0.0.1", port))
        another.listen()
    (tmp_path / "gate").write_bytes(b"go")
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
