"""A container's program for these tests: it averages, and misbehaves on demand.

`python program.py train` and `python program.py serve`, with the standard library alone.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# The real /opt/ml where the platform gives one, without asking any variable.
BASE = Path("/opt/ml")
if not BASE.exists():
    BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def train() -> int:
    parameters = json.loads((BASE / "input/config/hyperparameters.json").read_text())
    if "child" in parameters:
        start_child()
    if "hang" in parameters:
        hang(ignoring_sigterm=parameters["hang"] == "ignoring-sigterm")
        return 0
    if "fail" in parameters:
        (BASE / "output/failure").write_text(parameters["fail"])
        return 1
    if "crash" in parameters:
        say("about to crash")
        return int(parameters["crash"])
    values = read_values()
    mean = sum(values) / len(values)
    for step in range(3):
        say(f"[{step}]\tvalidation-rmse:{mean / (step + 1):.4f}")
    if "report" in parameters:
        (BASE / "output/data/report.txt").write_text(parameters["report"])
    save_model({"mean": mean, "seen": describe_container()})
    return 0


def read_values() -> list[float]:
    files = sorted((BASE / "input/data/train").rglob("*.csv"))
    return [float(line) for file in files for line in file.read_text().split()]


def describe_container() -> dict[str, Any]:
    config = BASE / "input/config"
    return {
        "base": str(BASE),
        "config": {path.name: json.loads(path.read_text()) for path in config.iterdir()},
        "files": sorted(str(p.relative_to(BASE)) for p in BASE.rglob("*.csv")),
        "environment": dict(os.environ),
    }


def save_model(model: dict[str, Any]) -> None:
    (BASE / "model/model.json").write_text(json.dumps(model))


def start_child() -> None:
    """A grandchild of the server in a session of its own, the hardest to find again."""
    child = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    say(f"child={child.pid} own={os.getpid()}")


def hang(*, ignoring_sigterm: bool) -> None:
    def save_and_leave(_number: int, _frame: object) -> None:
        save_model({"mean": 0.5, "partial": True})
        sys.exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if ignoring_sigterm else save_and_leave)
    say("hanging")
    while True:
        time.sleep(60)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model: dict[str, Any]

    def do_GET(self) -> None:
        self.answer(200 if self.path == "/ping" else 503, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = json.loads(body) if body.startswith(b"{") else {}
        if "crash" in asked:
            os._exit(9)
        if "sleep" in asked:
            say("sleeping")
            time.sleep(asked["sleep"])
        answer = {
            "mean": self.model.get("mean"),
            "pid": os.getpid(),
            "bytes": len(body),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "base": str(BASE),
            "environment": dict(os.environ) if "environment" in asked else None,
        }
        self.answer(asked.get("status", 200), answer)

    def answer(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "answered-by=program")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        pass


def serve() -> int:
    model = json.loads((BASE / "model/model.json").read_text())
    if model.get("start") == "crash":
        say("cannot read the model")
        return 3
    if "child" in model:
        start_child()
    time.sleep(model.get("start_seconds", 0))
    Handler.model = model
    port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
    ThreadingHTTPServer.request_queue_size = 64
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(train() if sys.argv[1] == "train" else serve())
