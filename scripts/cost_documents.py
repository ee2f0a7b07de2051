"""Write what `penstock cost` ships and what docs/cost.md shows, from the code itself.

`shape.json` tells the client, which imports no service, what a deployment consists of; the tables
of docs/cost.md are the command's own output. With `--check` nothing is written, and what differs
is an error.
"""

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

from console.settings import Settings as ConsoleSettings
from inference_worker.settings import Settings as WorkerSettings
from ingest_api.gateway_directory import DirectorySettings
from ingest_api.group_commit import CommitSettings
from penstock.command import Command, OnCpu
from penstock.metrics import METRICS
from penstock.resources import COMMANDS, DEAD_LETTER_QUEUES, PATH_RULES, QUEUES, TOPICS
from pydantic_settings import BaseSettings
from results_writer.app import _ARCHIVE_LIMITS
from results_writer.discovery import discover_sinks
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
SHAPE = ROOT / "libs/penstock-client/penstock_client/cost/shape.json"
MEASURED = SHAPE.with_name("measured.json")
DOCUMENT = ROOT / "docs/cost.md"
_BACKLOG_TARGET = 0.7
"""Share of a task's CPU that backlog scaling leaves in use: an assumption, not a setting."""
_MEASURED = re.compile(r"(\| command \| CPU-s [^\n]*\n\|[-:|]*\n)(?:\|[^\n]*\n)*")
_TABLE = re.compile(r"(?s)(```sh\n(?P<command>penstock cost [^\n]*)\n```\n\n).*?(?=\n\n[^|]|\Z)")


def shape() -> dict[str, Any]:
    """Tell what costs money of the resources and the settings."""
    return {
        "commands": [_command(command) for command in COMMANDS],
        "subscribers": {topic.name: [q.name for q in topic.subscribers] for topic in TOPICS},
        "queues": len(QUEUES),
        "dead_letter_queues": len(DEAD_LETTER_QUEUES),
        "topics": len(TOPICS),
        "path_rules": len(PATH_RULES),
        "metrics": _rounded_up(sum(len(metric.services) for metric in METRICS)),
        "settings": _settings(),
    }


def _rounded_up(count: int) -> int:
    # A new metric must not mean new documents each time, for a few cents.
    return math.ceil(count / 25) * 25


def _command(command: Command) -> dict[str, Any]:
    scaling = command.scaling
    return {
        "name": command.name,
        "image": command.image,
        "cpu": command.cpu,
        "memory_mib": command.memory_mib,
        "least_tasks": command.least_tasks,
        "most_tasks": command.most_tasks,
        "queues": [queue.name for queue in command.consumes],
        "cpu_target": scaling.percent / 100 if isinstance(scaling, OnCpu) else _BACKLOG_TARGET,
    }


def _settings() -> dict[str, float]:
    sinks = discover_sinks()
    return {
        "commit_linger_seconds": CommitSettings().linger_seconds,
        "publish_linger_seconds": _default(WorkerSettings, "publish_linger_seconds"),
        "receive_wait_seconds": _default(WorkerSettings, "receive_wait_seconds"),
        "dead_letter_wait_seconds": _default(ConsoleSettings, "dead_letter_wait_seconds"),
        "context_poll_seconds": _default(WorkerSettings, "context_poll_seconds"),
        "gateways_refresh_seconds": DirectorySettings().refresh_seconds,
        "cached_states": _default(WorkerSettings, "cached_states"),
        "archive_age_seconds": _ARCHIVE_LIMITS.max_age_seconds,
        "archive_bytes": _ARCHIVE_LIMITS.max_bytes,
        "lake_age_seconds": sinks["lake"].limits.max_age_seconds,
        "lake_bytes": sinks["lake"].limits.max_bytes,
        "snowflake_age_seconds": sinks["snowflake"].limits.max_age_seconds,
    }


def _default(settings: type[BaseSettings], field: str) -> float:
    return float(settings.model_fields[field].default)


def rendered(document: str) -> str:
    """Put the command's output below each `penstock cost` of the document, and what was measured
    below its heading.
    """
    document = _MEASURED.sub(lambda found: found.group(1) + _measured_rows(), document)
    return _TABLE.sub(lambda found: found.group(1) + _output(found.group("command")), document)


def _measured_rows() -> str:
    commands = json.loads(MEASURED.read_text())["commands"]
    return "".join(
        f"| {name} | {_figure(use['cpu_seconds_per_million_readings'])} | {use['idle_vcpus']} |"
        f" {use['peak_vcpus']} | {use['rss_mib']:.0f} |\n"
        for name, use in commands.items()
    )


def _figure(number: float | None) -> str:
    return "–" if number is None else str(number)


def _output(command: str) -> str:
    # Imported late: it reads the shape that was perhaps just written.
    from penstock_client.cli import app  # noqa: PLC0415

    result = CliRunner().invoke(app, command.split()[1:], env={"COLUMNS": "200"})
    if result.exit_code:
        raise SystemExit(f"{command}: {result.output}")
    return result.output.strip()


def main() -> None:
    """Write, or with `--check` compare."""
    is_check = "--check" in sys.argv[1:]
    for path, make in ((SHAPE, shape_text), (DOCUMENT, lambda: rendered(DOCUMENT.read_text()))):
        wanted = make()
        if is_check and path.read_text() != wanted:
            raise SystemExit(f"{path.relative_to(ROOT)} is behind the code: make cost-documents")
        path.write_text(wanted)


def shape_text() -> str:
    return json.dumps(shape(), indent=2) + "\n"


if __name__ == "__main__":
    main()
