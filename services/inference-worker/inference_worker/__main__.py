"""`inference-worker`: run the service."""

from penstock.runtime.lifecycle import collect_seldom, run_service
from penstock.runtime.logging import configure_logging

from inference_worker.app import SERVICE, create_app
from inference_worker.settings import Settings


def main() -> None:
    """Read the settings once and serve until SIGTERM."""
    settings = Settings()
    configure_logging(settings, SERVICE)
    app = create_app(settings)
    collect_seldom()
    run_service(app, settings)


if __name__ == "__main__":
    main()
