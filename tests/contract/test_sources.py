import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from penstock.domain.errors import MalformedPayload
from penstock.plugins import discover
from penstock.source import SourcePlugin, SourceRecord
from penstock.source_settings import PLUGINS

from tests.contract.source_suite import check_source, read_samples

GOLDEN = Path(__file__).parent / "golden" / "sources"

FAULTY = """
from dataclasses import replace
from penstock.sources.{kind} import SOURCE as SOUND, decode, next_request

def lose_zeros(body, tags, options):
    return [record for record in decode(body, tags, options) if record.value]

def take_a_cut_answer(body, tags, options):
    try:
        return decode(body, tags, options)
    except Exception:
        return []

def stop_after_one(slice_, options, walk):
    return None if walk.last else next_request(slice_, options, walk)

def start_over(slice_, options, walk):
    return next_request(slice_, options, type(walk)()) if walk.answers < 2 else None

SOURCE = replace(SOUND, name="{name}", {fault})
"""
FAULTS = {
    "loses_zeros": "decode=lose_zeros",
    "takes_a_cut_answer": "decode=take_a_cut_answer",
    "stops_after_one": "next_request=stop_after_one",
    "starts_over": "next_request=start_over",
}


@pytest.mark.parametrize("plugin", PLUGINS.values(), ids=PLUGINS.keys())
def test_source_keeps_the_contract(plugin: SourcePlugin) -> None:
    check_source(plugin, read_samples((GOLDEN / f"{plugin.name}.json").read_text()))


@pytest.mark.parametrize("name", PLUGINS)
def test_file_and_plugin_have_one_name(name: str) -> None:
    assert PLUGINS[name].name == name


@pytest.mark.parametrize("kind", PLUGINS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_source_is_found_and_fails_the_contract(
    name: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    package = _package(tmp_path, f"faulty_sources_{kind}_{name}", request)
    source = FAULTY.format(kind=kind, name=name, fault=FAULTS[name])
    (tmp_path / package.__name__ / f"{name}.py").write_text(source)
    importlib.invalidate_caches()
    found = discover(package, attribute="SOURCE", kind=SourcePlugin)
    assert set(found) == {name}
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_source(found[name], read_samples((GOLDEN / f"{kind}.json").read_text()))


def _package(folder: Path, name: str, request: pytest.FixtureRequest) -> ModuleType:
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    sys.path.insert(0, str(folder))
    request.addfinalizer(lambda: sys.path.remove(str(folder)))
    return importlib.import_module(name)


def test_a_source_that_adds_nothing_of_its_own_would_need_samples() -> None:
    def decode(body: bytes, tags: Sequence[str], options: Any) -> list[SourceRecord]:
        raise MalformedPayload("nothing is readable")

    sound = next(iter(PLUGINS.values()))
    with pytest.raises(AssertionError, match="golden samples"):
        check_source(SourcePlugin("bare", sound.options, sound.next_request, decode), [])
