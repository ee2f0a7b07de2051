"""Command `ingest-api`."""

from penstock.runtime.lifecycle import collect_seldom, run_service
from penstock.runtime.logging import configure_logging

from ingest_api.app import SERVICE, create_app
from ingest_api.settings import Settings


def main() -> None:
    """Serve until told to stop, then drain."""
    settings = Settings()
    configure_logging(settings, SERVICE)
    app = create_app(settings)
    collect_seldom()
    run_service(app, settings)


if __name__ == "__main__":
    main()
