"""Commands `training-orchestrator`, `training-fetcher` and `training-preparer`."""

from importlib import import_module


def main() -> None:
    """Serve the training API and obey the state machine until told to stop."""
    _start("training_orchestrator.app")


def fetcher() -> None:
    """Fetch slices until told to stop."""
    _start("training_orchestrator.fetcher_app")


def preparer() -> None:
    """Prepare datasets until told to stop."""
    _start("training_orchestrator.preparer_app")


def _start(module: str) -> None:
    # Each command loads its own side alone: the preparer needs DuckDB, the others do not.
    import_module(module).main()


if __name__ == "__main__":
    main()
