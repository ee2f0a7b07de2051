"""`python -m penstock_local.sagemaker`: serve the control plane and the runtime on one port."""

import argparse
import sys
from pathlib import Path

import uvicorn
from penstock.runtime.logging import configure_logging
from pydantic import ValidationError

from penstock_local.api_calls.recorder import FILE, Recorder
from penstock_local.api_calls.recording import recording
from penstock_local.sagemaker.app import Machine, create_app
from penstock_local.sagemaker.images import ImageMap, ImagesFileError, read_images
from penstock_local.sagemaker.isolation import IsolationError, detect_isolation
from penstock_local.sagemaker.settings import Settings
from penstock_local.sagemaker.store import StateInUseError, Store

# Longer than any client's pool keeps a connection it is not using.
_KEEP_ALIVE_SECONDS = 75


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and end every child."""
    try:
        settings = read_settings(sys.argv[1:])
        configure_logging(settings, "sagemaker")
        machine = _inspect(settings)
    except (ValidationError, ImagesFileError, IsolationError, StateInUseError) as error:
        sys.exit(f"penstock_local.sagemaker: {error}")
    recorder = Recorder(settings.state_dir / FILE, prefix=settings.name_prefix)
    config = uvicorn.Config(
        recording(create_app(settings, machine), recorder),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.drain_seconds),
    )
    # Bound before anything is started: a port in use must not cost a restore.
    listener = config.bind_socket()
    # uvicorn lets children have it; one that outlived a killed server would keep the port.
    listener.set_inheritable(False)
    uvicorn.Server(config).run(sockets=[listener])


def read_settings(arguments: list[str]) -> Settings:
    """Environment first, command line over it."""
    parser = argparse.ArgumentParser(prog="python -m penstock_local.sagemaker", description=__doc__)
    parser.add_argument("--port", type=int)
    parser.add_argument("--state-dir", type=Path)
    parser.add_argument("--s3-endpoint", dest="s3_endpoint_url")
    parser.add_argument("--images", type=Path, help="registry of images; see images.py")
    parser.add_argument("--isolation", choices=["auto", "namespace", "directory"])
    given = vars(parser.parse_args(arguments))
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _inspect(settings: Settings) -> Machine:
    store = Store(settings.state_dir)
    images = ImageMap() if settings.images is None else read_images(settings.images)
    isolation = detect_isolation(settings.isolation, settings.state_dir / "overlays")
    return Machine(store=store, images=images, isolation=isolation)


if __name__ == "__main__":
    main()
