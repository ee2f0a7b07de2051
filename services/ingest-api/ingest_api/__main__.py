"""Command `ingest-api`."""

from penstock.runtime.lifecycle import run_service
from penstock.runtime.logging import configure_logging

from ingest_api.app import SERVICE, create_app
from ingest_api.settings import Settings


def main() -> None:
    """Serve until told to stop, then drain."""
    settings = Settings()
    configure_logging(settings, SERVICE)
    run_service(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        drain_seconds=settings.drain_seconds,
    )


if __name__ == "__main__":
    main()
