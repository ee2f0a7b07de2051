"""The local SageMaker as a process of its own, to be asked, killed and started again."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from penstock_local.environment import aws_variables, inherited
from penstock_local.ports import free_port

from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until

PROGRAM = Path(__file__).with_name("program.py")
IMAGE = "penstock-average:1.0"

T = TypeVar("T")


def wait_for(claim: str, look: Callable[[], T], *, seconds: float = PATIENCE_SECONDS) -> T:
    """Poll until what is looked for is there (is true), and return it."""
    found: list[T] = []

    def holds() -> bool:
        value = look()
        if value:
            found.append(value)
        return bool(value)

    wait_until(holds, claim, seconds=seconds)
    return found[0]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@contextmanager
def running(
    argv: Sequence[str], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, its output in a file; end it in any case."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  our own servers
            argv, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Server:
    """The local SageMaker on a state directory; it can be killed and started again."""

    def __init__(self, folder: Path, *, s3_url: str, options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.state_dir = folder / "state"
        self.log = folder / "sagemaker.log"
        self.s3_url = s3_url
        images = folder / "images.yaml"
        argv = ["{python}", str(PROGRAM)]
        images.write_text(
            json.dumps({"images": {IMAGE: {"train": [*argv, "train"], "serve": [*argv, "serve"]}}})
        )
        self._options = ["--images", str(images), *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self, **settings: str) -> None:
        argv = [sys.executable, "-m", "penstock_local.sagemaker", "--port", str(self.port)]
        argv += ["--state-dir", str(self.state_dir), *self._options]
        environment = (
            inherited(os.environ)
            | aws_variables(self.s3_url)
            | {f"PENSTOCK_SAGEMAKER_{name.upper()}": value for name, value in settings.items()}
        )
        self._process = self._stack.enter_context(running(argv, self.log, environment))
        _wait_until_up(self.process, self.port, "/_penstock/health", self.log)

    def kill(self) -> None:
        """Kill -9: nothing of the server can clean up."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        self._stack.close()

    def wait_for_log(self, path: str, text: bytes) -> bytes:
        """Poll a log under `/_penstock/logs` until the text is in it; return the log."""

        def read() -> bytes | None:
            log = self.ask("GET", f"/_penstock/logs/{path}")[1]
            return log if text in log else None

        return wait_for(f"{text!r} in the log of {path}", read) or b""

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """One plain HTTP request."""
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        ) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, body=content)
            answer = connection.getresponse()
            return answer.status, answer.read()


def _wait_until_up(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    def answers() -> bool:
        assert process.poll() is None, log.read_text()[-3000:]
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        ) as connection:
            try:
                connection.request("GET", path)
                return connection.getresponse().status == 200
            except OSError:
                return False

    wait_for(f"{path} answers", answers)
