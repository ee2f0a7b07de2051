"""The AWS of the embedded stack: MiniStack under uvicorn, on loopback, with its state on disk.

`python -m penstock_local.ministack --port 4566 --state-dir .penstock/aws`

What is kept:

- SIGTERM, then a new start: everything of the services Penstock uses. Queues with their messages
  (those in flight keep their visibility deadline), topics and subscriptions, tables and items,
  buckets and objects, secrets, schedules, state machines and finished executions.
- kill -9: objects at once, since each is written when it is put (their bucket settings with the
  next snapshot); all else as of the last snapshot, every ten seconds where anything was asked of
  it. So a crash of the stand-in itself loses up to ten seconds of messages and items, which AWS
  never would; a crash of any other process loses nothing.
- never: an execution of a state machine that was running. MiniStack marks it FAILED with
  `States.ServiceRestart`, and its task tokens are gone.
"""

import argparse
import importlib
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

from penstock_local.api_calls.recorder import FILE, Recorder
from penstock_local.api_calls.recording import recording
from penstock_local.environment import PREFIX
from penstock_local.snapshots import Snapshots

SNAPSHOT_SECONDS = 10.0
# Messages still being answered at SIGTERM: long polls end on their own, the rest is quick.
_GRACE_SECONDS = 2
# The names of MiniStack's modules and state files alike.
_SAVED_SERVICES = (
    "athena", "cloudwatch", "cloudwatch_logs", "dynamodb", "dynamodb_streams", "eventbridge",
    "firehose", "glue", "iam", "kms", "s3", "scheduler", "secretsmanager", "sns", "sqs", "ssm",
    "stepfunctions",
)  # fmt: skip

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


def settings_of(state_dir: Path) -> dict[str, str]:
    """MiniStack's environment, which it reads when it is imported."""
    return {
        "LOG_LEVEL": "WARNING",
        "MINISTACK_REGION": os.environ.get("AWS_REGION", "eu-west-1"),
        # Queue URLs are stored with this port and answered with the caller's own host and port, so
        # the state can be started again on another port. (MINISTACK_HOST would switch that off.)
        "GATEWAY_PORT": "4566",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state_dir / "services"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state_dir / "objects"),
        # Both would listen on all addresses.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # It removes what it takes for its own leftovers: not on this machine's Docker.
        "DOCKER_HOST": f"unix://{state_dir / 'no-docker.sock'}",
    }


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="penstock_local.ministack", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="another one only inside a container")
    parser.add_argument("--snapshot-seconds", type=float, default=SNAPSHOT_SECONDS)
    options = parser.parse_args()
    state_dir: Path = options.state_dir.resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    os.environ.pop("MINISTACK_HOST", None)
    os.environ.update(settings_of(state_dir))
    ministack = importlib.import_module("ministack.app")
    snapshots = Snapshots(save_services, interval_seconds=options.snapshot_seconds)
    prefix = os.environ.get("PENSTOCK_NAME_PREFIX", PREFIX)
    config = uvicorn.Config(
        recording(
            with_snapshots(ministack.app, snapshots), Recorder(state_dir / FILE, prefix=prefix)
        ),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    uvicorn.Server(config).run()


def with_snapshots(app: _App, snapshots: Snapshots) -> _App:
    """Take snapshots from start to stop, but none while MiniStack saves itself at stop."""

    async def wrapped(scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "lifespan":
            snapshots.touch()
            await app(scope, receive, send)
            return

        async def receive_lifespan() -> _Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await snapshots.stop()
            return message

        async def send_lifespan(message: _Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                snapshots.start()
            await send(message)

        await app(scope, receive_lifespan, send_lifespan)

    return wrapped


def save_services() -> None:
    """Write the state of every service in use; runs in a fork, see `snapshots`.

    Written aside and then renamed into place in one go, so that a kill in between leaves files
    that belong together.
    """
    persistence: Any = importlib.import_module("ministack.core.persistence")
    final = Path(persistence.STATE_DIR)
    aside = final.with_name("services.next")
    shutil.rmtree(aside, ignore_errors=True)
    persistence.STATE_DIR = str(aside)
    loaded = {name: sys.modules.get(f"ministack.services.{name}") for name in _SAVED_SERVICES}
    persistence.save_all({name: module.get_state for name, module in loaded.items() if module})
    final.mkdir(parents=True, exist_ok=True)
    for path in sorted(aside.glob("*.json")):
        path.replace(final / path.name)


if __name__ == "__main__":
    main()
