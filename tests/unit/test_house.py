import os
import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_no_package_of_ours_can_be_uploaded_by_accident() -> None:
    members = [
        path
        for pattern in ("libs/*", "services/*", "local", "algorithms", "infra")
        for path in ROOT.glob(f"{pattern}/pyproject.toml")
    ]
    assert members
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
    recipes = re.findall(r"\$\(BIN\)/(ruff \w+|mypy|lint-imports)", makefile("lint types imports"))
    assert [next(name for name in recipes if hook.startswith(name)) for hook in hooks] == recipes


def makefile(targets: str) -> str:
    """The recipes of some targets."""
    text = (ROOT / "Makefile").read_text()
    return "".join(re.findall(rf"^(?:{'|'.join(targets.split())}):.*\n((?:\t.*\n)+)", text, re.M))
