"""Every sink keeps the contract: here over memory, in tests/integration over the real places."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from penstock.adapters.memory import (
    FakeClock,
    MemoryKeyValueStore,
    MemoryObjectStore,
    MemorySink,
)
from penstock.domain.errors import StoreUnavailable
from penstock.domain.predictions import Prediction
from penstock.plugins import discover
from penstock.ports import Sink
from penstock.resources import QUEUES
from penstock.testing.sinks import (
    SINK_CHECKS,
    SinkCheck,
    SinkUnderTest,
    one_bad_item_fails_alone,
    says_that_it_is_down,
)
from results_writer.discovery import discover_sinks
from results_writer.settings import Settings
from results_writer.sink import SinkPlugin, SinkResources
from results_writer.triage import triage

each_check = pytest.mark.parametrize("check", SINK_CHECKS, ids=lambda check: check.__name__)

FAULTY = """
from contextlib import asynccontextmanager
from penstock.adapters.memory import MemorySink
from penstock.ports import WriteReport
from results_writer.sink import SinkPlugin

class LastOneWins(MemorySink):
    async def write(self, predictions):
        self.rows |= {p.identity: p for p in predictions if chr(0) not in p.asset}
        return WriteReport()

@asynccontextmanager
async def _open(settings, resources):
    yield LastOneWins()

SINK = SinkPlugin("faulty", _open)
"""


def make_resources() -> SinkResources:
    return SinkResources(FakeClock(), MemoryKeyValueStore(), MemoryObjectStore(), "test")


def refuse(predictions: Sequence[Prediction]) -> dict[int, str]:
    return dict(triage(predictions).failed)


def test_every_sink_has_a_queue_of_its_name() -> None:
    assert set(discover_sinks()) <= {queue.name for queue in QUEUES}
    assert {"aurora", "snowflake", "lake", "latest"} <= set(discover_sinks())


def test_no_batch_grows_older_than_a_third_of_its_queues_visibility() -> None:
    visibility = {queue.name: queue.visibility_seconds for queue in QUEUES}
    for name, plugin in discover_sinks().items():
        assert plugin.limits.max_age_seconds <= visibility[name] / 3


@each_check
async def test_the_memory_sink_keeps_the_contract(check: SinkCheck) -> None:
    await check(SinkUnderTest(MemorySink(refuse)))


@pytest.mark.parametrize("name", ["lake", "latest"])
@each_check
async def test_sinks_over_memory_stores_keep_the_contract(name: str, check: SinkCheck) -> None:
    plugin = discover_sinks()[name]
    async with plugin.open(Settings(), make_resources()) as sink:
        await check(SinkUnderTest(sink, plugin.newest_only, plugin.appends))


async def test_a_sink_that_is_down_says_so() -> None:
    sink = MemorySink()
    sink.is_down = StoreUnavailable("gone")
    await says_that_it_is_down(sink)
    with pytest.raises(AssertionError, match="ping did not say"):
        await says_that_it_is_down(MemorySink())


async def test_a_faulty_plugin_is_found_and_fails_the_suite(tmp_path: Path) -> None:
    package = tmp_path / "faulty_sinks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "faulty.py").write_text(FAULTY)
    sys.path.insert(0, str(tmp_path))
    try:
        found = discover(importlib.import_module("faulty_sinks"), attribute="SINK", kind=SinkPlugin)
    finally:
        sys.path.remove(str(tmp_path))
    async with found["faulty"].open(Settings(), make_resources()) as sink:
        failed = [check.__name__ for check in SINK_CHECKS if await _fails(check, sink)]
    assert "an_older_revision_never_overwrites" in failed
    assert "one_identity_may_come_twice_in_a_batch" in failed
    assert one_bad_item_fails_alone.__name__ in failed
    assert "writes_and_reads_back" not in failed


async def _fails(check: SinkCheck, sink: Sink) -> bool:
    try:
        await check(SinkUnderTest(sink))
    except AssertionError:
        return True
    return False


def test_a_module_without_a_sink_is_refused_at_the_start(tmp_path: Path) -> None:
    package = tmp_path / "empty_sinks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "forgotten.py").write_text("SINK = 'not a plug-in'\n")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(TypeError, match="must define a SinkPlugin"):
            discover(importlib.import_module("empty_sinks"), attribute="SINK", kind=SinkPlugin)
    finally:
        sys.path.remove(str(tmp_path))
