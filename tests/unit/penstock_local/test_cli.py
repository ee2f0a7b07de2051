import subprocess
import sys

import pytest
from penstock_local.cli import app
from typer.testing import CliRunner


def test_every_command_is_listed() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    for command in ("up", "down", "status", "migrate", "demo", "queues", "pg"):
        assert f" {command} " in shown


@pytest.mark.parametrize("words", [["down"], ["status"], ["migrate"]])
def test_a_command_without_a_stack_says_so(words: list[str]) -> None:
    result = CliRunner().invoke(app, [*words, "--state-dir", "/nonexistent"])
    assert "no stack runs in /nonexistent" in result.output
    assert result.exit_code == (0 if words == ["down"] else 3)


def test_an_unknown_command_is_refused() -> None:
    assert CliRunner().invoke(app, ["start"]).exit_code == 2


def test_the_supervisor_does_not_carry_what_only_others_need() -> None:
    code = "import sys, penstock_local.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"boto3", "alembic", "sqlalchemy", "sklearn", "duckdb", "uvicorn"} & set(loaded)


def test_a_tool_that_postgresql_does_not_have_is_refused() -> None:
    for tool in ("pg_undump", "../bin/psql"):
        result = CliRunner().invoke(app, ["pg", tool])
        assert result.exit_code == 2
        assert "PostgreSQL has no tool" in " ".join(result.output.split())
