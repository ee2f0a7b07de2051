"""Command `ingest-api`."""

import gc

from penstock.runtime.lifecycle import run_service
from penstock.runtime.logging import configure_logging

from ingest_api.app import SERVICE, create_app
from ingest_api.settings import Settings

_OBJECTS_BEFORE_COLLECTING = 50_000


def main() -> None:
    """Serve until told to stop, then drain."""
    settings = Settings()
    configure_logging(settings, SERVICE)
    app = create_app(settings)
    # A body of a thousand readings is a thousand objects that live for a millisecond and hold no
    # cycles: looking through them, and through all modules, at every seven hundred finds nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
    run_service(app, settings)


if __name__ == "__main__":
    main()
