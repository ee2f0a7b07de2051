"""What the whole tree keeps to, as far as a program can tell; exceptions stand here with why."""

import ast
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CODE = ("libs", "services", "local", "algorithms", "infra", "scripts", "benchmarks")
MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 50

CATCH_EVERYTHING = {
    "libs/penstock/penstock/runtime/consumer.py": "the delivery boundary",
    "services/ingest-api/ingest_api/routes/readings.py": "HTTP 500 of the route beside FastAPI",
    "services/training-orchestrator/training_orchestrator/prepare_main.py": "a process's main",
    "local/penstock_local/snapshots.py": "main of a fork, which must never return to its caller",
    "algorithms/penstock_algorithms/training.py": "main of a program under SageMaker's contract",
    "algorithms/penstock_algorithms/serving.py": "HTTP 500 of a program under that contract",
}
TAKES_ITS_TIME = {
    "tests/fixtures/waiting.py": "where all waiting is",
    "tests/integration/fetcher/bench.py": "a historian that needs a moment",
    "tests/integration/sagemaker/program.py": "a program that trains and serves slowly",
    "tests/unit/inference_worker/test_predictor.py": "models that need a moment",
    "tests/unit/results_writer/test_lease.py": "holds a lease for a moment",
    "tests/unit/training_orchestrator/test_fetch_limit.py": "holds a turn for a moment",
}
"""Fakes that are slow on purpose; no test may sleep to wait for what others do."""
PATCHES_OTHERS = {
    "tests/unit/penstock_client/test_kit.py": "sockets, to see that none is opened",
}
"""Patches of what is not ours; of ours there are none."""
_MOCKS = {"mock", "unittest.mock"}


def test_no_package_of_ours_can_be_uploaded_by_accident() -> None:
    members = [
        path
        for pattern in ("libs/*", "services/*", "local", "algorithms", "infra")
        for path in ROOT.glob(f"{pattern}/pyproject.toml")
    ]
    assert len(members) >= 9
    for path in members:
        project = tomllib.loads(path.read_text())["project"]
        assert "Private :: Do Not Upload" in project["classifiers"], path


def test_hooks_run_what_the_makefile_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repo,) = config["repos"]
    assert repo["repo"] == "local"
    assert {hook["language"] for hook in repo["hooks"]} == {"system"}
    entries = [hook["entry"].split() for hook in repo["hooks"]]
    for binary, *_ in entries:
        assert os.access(ROOT / binary, os.X_OK), binary
    hooks = [" ".join(entry).replace(".venv/bin/", "") for entry in entries]
    recipes = re.findall(r"\$\(BIN\)/(ruff \w+|mypy|lint-imports)", _recipes("lint types imports"))
    assert [next(name for name in recipes if hook.startswith(name)) for hook in hooks] == recipes


def _recipes(targets: str) -> str:
    """What the makefile does for some targets."""
    text = (ROOT / "Makefile").read_text()
    return "".join(re.findall(rf"^(?:{'|'.join(targets.split())}):.*\n((?:\t.*\n)+)", text, re.M))


def test_modules_are_short_enough_to_read() -> None:
    lines = {name: text.count("\n") for name, (text, _) in _modules(*CODE, "tests").items()}
    assert len(lines) > 500
    assert not {name: n for name, n in lines.items() if n > MOST_LINES_OF_A_MODULE}


def test_functions_are_short_enough_to_read() -> None:
    long = [
        f"{name}:{node.name}"
        for name, (_, tree) in _modules(*CODE, "tests").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _lines(node) > MOST_LINES_OF_A_FUNCTION
    ]
    assert not long


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Of the body: options of a command are its signature, however many there are."""
    start = node.body[0].lineno
    return (node.end_lineno or start) - start + 1


def test_everything_is_caught_at_the_boundaries_alone() -> None:
    found = [
        name
        for name, (_, tree) in _modules(*CODE).items()
        for node in ast.walk(tree)
        if _catches_everything(node)
    ]
    assert sorted(found) == sorted(CATCH_EVERYTHING)


def _catches_everything(node: ast.AST) -> bool:
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.Tuple(elts=caught)):
            pass
        case ast.ExceptHandler(type=ast.expr() as one):
            caught = [one]
        case ast.Call(func=function, args=caught) if _last_name(function) == "suppress":
            pass
        case _:
            return False
    return any(_last_name(one) in {"Exception", "BaseException"} for one in caught)


def test_no_test_sleeps_to_wait() -> None:
    sleepers = {
        name
        for name, (_, tree) in _modules("tests").items()
        for node in ast.walk(tree)
        if _sleeps(node)
    }
    assert sleepers == TAKES_ITS_TIME.keys()


def _sleeps(node: ast.AST) -> bool:
    """Whether time passes there; a sleep of nothing only gives others their turn."""
    if isinstance(node, ast.Call) and _last_name(node.func) == "sleep":
        return not (
            node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        )
    return False


def test_no_test_puts_something_else_into_our_modules() -> None:
    """Needing it means that a port is missing."""
    patching = {
        name
        for name, (_, tree) in _modules("tests").items()
        for node in ast.walk(tree)
        if _patches(node)
    }
    assert patching == PATCHES_OTHERS.keys()


def _patches(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(one.name in _MOCKS for one in names)
        case ast.ImportFrom(module=module, names=names):
            return module in _MOCKS or any(f"{module}.{one.name}" in _MOCKS for one in names)
        case ast.Call(func=function):
            return _last_name(function) in {"setattr", "delattr", "setitem", "delitem"}
        case _:
            return False


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _modules(*folders: str) -> dict[str, tuple[str, ast.Module]]:
    return {name: module for folder in folders for name, module in _read(folder).items()}


@cache
def _read(folder: str) -> dict[str, tuple[str, ast.Module]]:
    """Text and syntax of every module below a folder, by its path."""
    return {
        file.relative_to(ROOT).as_posix(): (text := file.read_text(), ast.parse(text))
        for file in _files(ROOT / folder)
    }


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*.py")):
        if not any(part.startswith(".") for part in file.relative_to(ROOT).parts):
            yield file


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        (_catches_everything, "try: f()\nexcept: pass", "try: f()\nexcept OSError: pass"),
        (_catches_everything, "try: f()\nexcept (OSError, Exception): pass", "Exception('no')"),
        (_catches_everything, "contextlib.suppress(BaseException)", "suppress(OSError)"),
        (_sleeps, "await asyncio.sleep(0.1)", "await asyncio.sleep(0)"),
        (_patches, "from unittest import mock", "from unittest import TestCase"),
        (_patches, "from unittest.mock import patch", "from ours import mocking"),
        (_patches, "monkeypatch.setattr(ours, 'name', 1)", "monkeypatch.setenv('NAME', '1')"),
    ],
)
def test_the_checks_see_what_they_look_for(
    check: Callable[[ast.AST], bool], bad: str, good: str
) -> None:
    assert any(map(check, ast.walk(ast.parse(bad))))
    assert not any(map(check, ast.walk(ast.parse(good))))


def test_only_services_with_people_at_their_door_carry_crypto() -> None:
    """It is 16 MB of an image, and the image of the gateways' door is to stay small."""
    for name in ("base", "ingest-api", "inference-worker"):
        assert not _locked(name) & {"pyjwt", "cryptography"}, name
    for name in ("console", "training-orchestrator", "results-writer"):
        assert {"pyjwt", "cryptography"} <= _locked(name), name


def _locked(name: str) -> set[str]:
    lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
    return {line.split("==")[0] for line in lines if "==" in line}
