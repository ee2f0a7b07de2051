"""Logs: JSON lines outside a terminal, constant dotted events, context bound at the boundary."""

import logging
import sys

import structlog

from penstock.runtime.settings import CoreSettings


def configure_logging(settings: CoreSettings, service: str) -> None:
    """Set up structlog and the standard library's loggers for a process."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    is_terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # Libraries say little that our own events do not; their warnings still show.
    logging.basicConfig(level=max(level, logging.WARNING), format="%(name)s %(message)s")
