"""What the client ships of the code, and the tables of docs/cost.md, are those of the code."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def documents() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "cost_documents", ROOT / "scripts/cost_documents.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shape_is_that_of_the_resources_and_settings(documents: ModuleType) -> None:
    assert documents.SHAPE.read_text() == documents.shape_text(), "run: make cost-documents"


def test_the_tables_of_the_document_are_the_commands_own(documents: ModuleType) -> None:
    text = documents.DOCUMENT.read_text()
    assert text.count("```sh\npenstock cost ") >= 3
    assert documents.rendered(text) == text, "run: make cost-documents"
