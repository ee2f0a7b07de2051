"""The process that makes a dataset, as the preparer runs it: how it ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training_orchestrator.prepare_order import ORDER, read_result, write_order

from tests.unit.training_orchestrator.prepare_folders import (
    make_order,
    make_recipe,
    ordinary,
    page_of,
)

SECONDS = 60


@contextmanager
def child(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process over a folder, its standard input held open."""
    command = [sys.executable, "-m", "training_orchestrator.prepare_main", str(folder)]
    with subprocess.Popen(  # noqa: S603 -- our own program
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    return process.stderr.read().decode()


def test_a_dataset_that_was_made_ends_the_process_quietly(tmp_path: Path) -> None:
    write_order(tmp_path, make_order(tmp_path, make_recipe(), [page_of(ordinary())]))
    with child(tmp_path) as process:
        assert (process.wait(SECONDS), told(process)) == (0, "")
    result = read_result(tmp_path)
    assert result is not None
    assert not result.error


def test_a_bug_ends_the_process_with_its_traceback_last(tmp_path: Path) -> None:
    (tmp_path / ORDER).write_bytes(b"{}")
    with child(tmp_path) as process:
        assert process.wait(SECONDS) == 1
        assert "ValidationError" in told(process).splitlines()[-1]
    assert read_result(tmp_path) is None


def test_a_process_whose_preparer_is_gone_ends_and_takes_the_folder_along(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    os.mkfifo(work / ORDER)  # it waits here as long as nobody writes
    with child(work) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SECONDS) == 1
    assert not work.exists()
