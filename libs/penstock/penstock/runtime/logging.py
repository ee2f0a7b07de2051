"""Logs: JSON lines outside a terminal, constant dotted events, context bound at the boundary."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from penstock.runtime.settings import CoreSettings
from penstock.runtime.tracing import current_span


def configure_logging(settings: CoreSettings, service: str) -> None:
    """Set up structlog and the standard library's loggers for a process.

    Lines of libraries look like ours: one program reads both.
    """
    level = logging.getLevelNamesMapping()[settings.log_level]
    is_terminal = sys.stderr.isatty()
    common = _common(service, is_terminal=is_terminal)
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    # Libraries say little that our own events do not; their warnings still show.
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _common(service: str, *, is_terminal: bool) -> list[Processor]:
    def add_service(
        _logger: WrappedLogger, _method: str, event: EventDict
    ) -> MutableMapping[str, Any]:
        # Not by the context: a thread that a library began has none of ours.
        event.setdefault("service", service)
        return event

    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_service,
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # A terminal gets exceptions in colours, from the renderer itself.
    return chain if is_terminal else [*chain, structlog.processors.format_exc_info]


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> MutableMapping[str, Any]:
    """Say in which span a line was written, where one is recorded."""
    span = current_span()
    if span.is_recorded:
        _, event["trace_id"], event["span_id"], _ = span.trace.split("-")
    return event
