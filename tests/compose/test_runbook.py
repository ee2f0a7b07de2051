"""Every command of docs/operations.md for the compose stack, run as it stands there."""

import os
import subprocess
from pathlib import Path

import pytest
from penstock_local.environment import ADMIN_TOKEN

from tests.compose.containers import ROOT, ComposeStack
from tests.compose.runbook import RUNBOOK, Block, blocks_of
from tests.compose.training import Trained

pytestmark = pytest.mark.timeout(1500)

BLOCKS = blocks_of(RUNBOOK.read_text())


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.heading)
def test_the_commands_of_a_runbook_do_what_they_say(
    compose_stack: ComposeStack, trained: Trained, block: Block, tmp_path: Path
) -> None:
    done = subprocess.run(  # noqa: S603  # our own page
        ["bash", "-euo", "pipefail", "-c", block.script],  # noqa: S607
        cwd=tmp_path,  # some write a file
        env={
            **os.environ,
            **compose_stack.variables,
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PENSTOCK_URL": compose_stack.endpoint("front-door"),
            "PENSTOCK_TOKEN": ADMIN_TOKEN,
        },
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_the_runbook_is_not_empty() -> None:
    assert len(BLOCKS) >= 10
