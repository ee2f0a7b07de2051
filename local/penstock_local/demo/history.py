"""The history server of a demonstration: a process of its own on a free port."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from penstock_local.children import die_with_parent, forking
from penstock_local.ports import free_port

_START_SECONDS = 120.0


@contextmanager
def serving_history(arguments: Sequence[str], log: Path) -> Iterator[str]:
    """Serve history and yield its URL; the server ends with the block."""
    port = free_port()
    command = [sys.executable, "-m", "penstock_local.plant", "serve", "--port", str(port)]
    with log.open("ab") as output, forking():
        process = subprocess.Popen(  # noqa: S603 -- our own words
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one call, no locks
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the history server did not start: {log.read_text()[-2000:]}")
        try:
            httpx.get(url, timeout=2.0)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
