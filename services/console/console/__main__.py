"""Command `console`."""

from penstock.runtime.lifecycle import run_service
from penstock.runtime.logging import configure_logging

from console.app import create_app
from console.settings import Settings


def main() -> None:
    """Serve the admin API until told to stop."""
    settings = Settings()
    configure_logging(settings, "console")
    run_service(create_app(settings), settings)


if __name__ == "__main__":
    main()
