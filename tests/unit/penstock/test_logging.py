"""What a process writes where no terminal is: one JSON object a line, ours and libraries' alike."""

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import logging, threading, warnings
import structlog
from opentelemetry.sdk.trace import TracerProvider
from penstock.runtime.logging import configure_logging
from penstock.runtime.settings import CoreSettings
from penstock.runtime.tracing import Tracing

configure_logging(CoreSettings(), "ingest-api")
log = structlog.get_logger()
tracing = Tracing(TracerProvider(shutdown_on_exit=False).get_tracer("test"), ratio=1.0)
log.info("service.started")
log.debug("not.shown")
with structlog.contextvars.bound_contextvars(gateway_id="gw-7"), tracing.span("work") as span:
    log.warning("request.refused", detail="ünlesbar\\n")
    print(span.traceparent)
thread = threading.Thread(target=lambda: log.warning("spans.refused"))
thread.start()
thread.join()
logging.getLogger("botocore").warning("slow %s", "down")
logging.getLogger("botocore").info("not shown")
warnings.warn("careful", stacklevel=1)
try:
    raise ValueError("a bug")
except ValueError:
    log.exception("request.failed")
    logging.getLogger("uvicorn.error").exception("lifespan")
"""


@pytest.fixture(scope="module")
def written() -> tuple[str, list[dict[str, Any]]]:
    """The traceparent that the program printed, and its log."""
    program = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(program, capture_output=True, text=True, check=True)  # noqa: S603  # ours
    return ended.stdout.strip(), [json.loads(line) for line in ended.stderr.splitlines()]


def test_every_line_is_json_with_time_level_service_and_event(
    written: tuple[str, list[dict[str, Any]]],
) -> None:
    _, lines = written
    assert [line["event"] for line in lines] == [
        "service.started", "request.refused", "spans.refused", "slow down", lines[4]["event"],
        "request.failed", "lifespan",
    ]  # fmt: skip
    assert "careful" in lines[4]["event"]
    assert {line["service"] for line in lines} == {"ingest-api"}
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert [line["level"] for line in lines] == [
        "info", "warning", "warning", "warning", "warning", "error", "error",
    ]  # fmt: skip
    assert lines[3]["logger"] == "botocore"


def test_a_line_inside_a_span_names_it_and_its_context(
    written: tuple[str, list[dict[str, Any]]],
) -> None:
    traceparent, lines = written
    _, trace_id, span_id, _ = traceparent.split("-")
    refused = lines[1]
    assert (refused["trace_id"], refused["span_id"]) == (trace_id, span_id)
    assert refused["gateway_id"] == "gw-7"
    assert not any("trace_id" in line or "gateway_id" in line for line in [lines[0], *lines[2:]])


def test_an_exception_is_a_part_of_its_line(
    written: tuple[str, list[dict[str, Any]]],
) -> None:
    _, lines = written
    assert all("ValueError: a bug" in line["exception"] for line in lines[5:])
