import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from penstock_local.addresses import aurora_dsn

from tests.fixtures.stack import serving, wait_for_server
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with serving("penstock_local.postgres", folder, "--no-fsync") as (port, process):
        dsn = aurora_dsn(port)
        wait_for_server(process, folder, lambda: psycopg.connect(dsn, connect_timeout=5).close())
        yield dsn, process


def servers_on(folder: Path) -> list[psutil.Process]:
    """Every postmaster that runs on the data in `folder`."""
    data = str(folder / "data")
    return [each for each in psutil.process_iter() if data in _command_line(each)]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_rows_survive_a_clean_end_and_a_kill(state_dir: Path) -> None:
    with server(state_dir) as (dsn, process):
        with psycopg.connect(dsn) as connection:
            connection.execute("create table kept (n int)")
            connection.execute("insert into kept values (1)")
        client = psycopg.connect(dsn)  # a client that stays must not hold up the end
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert servers_on(state_dir) == []
        client.close()

    with server(state_dir) as (dsn, process):
        with psycopg.connect(dsn) as connection:
            connection.execute("insert into kept values (2)")
        process.kill()
        wait_until(lambda: servers_on(state_dir) == [], "the orphan shuts itself down")

    with server(state_dir) as (dsn, _), psycopg.connect(dsn) as connection:
        assert connection.execute("select n from kept order by n").fetchall() == [(1,), (2,)]


def test_a_server_left_over_is_ended_before_the_next_starts(state_dir: Path) -> None:
    with server(state_dir) as (_, process):
        (leftover,) = servers_on(state_dir)
        # Stopped, it cannot follow the kernel's request to end with its parent.
        leftover.suspend()
        process.kill()
        process.wait()
        postgres_pid = leftover.pid
        leftover.resume()

    with server(state_dir) as (dsn, _):
        assert [each.pid for each in servers_on(state_dir)] != [postgres_pid]
        psycopg.connect(dsn).close()
