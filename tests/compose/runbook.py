"""The runbook's commands: what stands in docs/operations.md for the compose stack."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "operations.md"
_PART = re.compile(
    r"^#{2,3} (?P<heading>[^\n]+)$|^```sh\n# compose\n(?P<script>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of commands under its heading."""

    heading: str
    script: str


def blocks_of(text: str) -> list[Block]:
    """Find the blocks headed `# compose`, in order."""
    heading, found = "", []
    for part in _PART.finditer(text):
        if part["heading"]:
            heading = part["heading"]
        else:
            found.append(Block(heading, part["script"]))
    return found
