"""Whatever is sent by the OpenAPI document, the answer is one that the document promises."""

import asyncio
import logging
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.ingest_api.server import IngestServer

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


async def test_every_answer_is_one_of_the_document(server: IngestServer) -> None:
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    await asyncio.to_thread(_try_every_operation, server)


def _try_every_operation(server: IngestServer) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert {operation.path for operation in operations} >= {"/v1/readings", "/healthz"}
    for operation in operations:
        _try_operation(operation, server.key)


def _try_operation(operation: APIOperation[Any, Any, Any, Any], key: str) -> None:
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def answers_as_promised(case: Case[Any]) -> None:
        case.call_and_validate(headers={"authorization": f"Bearer {key}"}, checks=CHECKS)

    answers_as_promised()
