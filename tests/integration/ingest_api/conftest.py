from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.ingest_api.server import IngestServer, ingest_server


@pytest.fixture
async def server(name_prefix: str, tmp_path: Path) -> AsyncIterator[IngestServer]:
    """A running ingest-api over tables and a topic of this test alone."""
    async with ingest_server(name_prefix, tmp_path) as running:
        yield running
