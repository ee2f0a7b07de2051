"""Command `penstock-local`."""

from penstock_local.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
