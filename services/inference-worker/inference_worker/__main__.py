"""`inference-worker`: run the service."""

from penstock.runtime.lifecycle import run_service
from penstock.runtime.logging import configure_logging

from inference_worker.app import SERVICE, create_app
from inference_worker.settings import Settings


def main() -> None:
    """Read the settings once and serve until SIGTERM."""
    settings = Settings()
    configure_logging(settings, SERVICE)
    run_service(create_app(settings), settings)


if __name__ == "__main__":
    main()
