import tomllib
from collections import Counter
from pathlib import Path

import pytest
from penstock.command import Command, OnBacklog, PathRule
from penstock.resources import (
    COMMANDS,
    DEAD_LETTER_QUEUES,
    OTHER_PATHS,
    PATH_RULES,
    QUEUES,
    TOPICS,
)
from penstock.runtime.settings import ConsumerSettings

ROOT = Path(__file__).parents[3]
MEMORY_BY_CPU = {
    256: {512, 1024, 2048},
    512: set(range(1024, 4097, 1024)),
    1024: set(range(2048, 8193, 1024)),
    2048: set(range(4096, 16385, 1024)),
    4096: set(range(8192, 30721, 1024)),
}
"""MiB that Fargate offers by CPU units."""
LONGEST_STOP_SECONDS = 120

each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


def test_every_queue_has_one_command_that_reads_it() -> None:
    readers = Counter(queue.name for command in COMMANDS for queue in command.consumes)
    assert readers == {queue.name: 1 for queue in QUEUES}


def test_every_queue_and_every_subscription_has_its_dead_letters() -> None:
    assert "inference-dlq" in DEAD_LETTER_QUEUES
    assert "readings-to-inference-dlq" in DEAD_LETTER_QUEUES
    subscriptions = sum(len(topic.subscribers) for topic in TOPICS)
    assert len(set(DEAD_LETTER_QUEUES)) == len(QUEUES) + subscriptions


def test_commands_have_names_and_ports_of_their_own() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    assert len({command.port for command in COMMANDS}) == len(COMMANDS)


@each_command
def test_a_command_is_a_script_of_its_image(command: Command) -> None:
    project = tomllib.loads((ROOT / "services" / command.image / "pyproject.toml").read_text())
    assert command.name in project["project"]["scripts"]


@each_command
def test_a_command_asks_for_what_fargate_offers(command: Command) -> None:
    assert command.memory_mib in MEMORY_BY_CPU[command.cpu]
    assert 1 <= command.least_tasks <= command.most_tasks


@each_command
def test_a_last_poll_and_the_drain_end_before_the_platform_kills(command: Command) -> None:
    core = ConsumerSettings.model_fields
    needed = core["receive_wait_seconds"].default + core["drain_seconds"].default
    assert needed < command.stop_seconds <= LONGEST_STOP_SECONDS


@each_command
def test_only_a_command_that_reads_queues_scales_on_them(command: Command) -> None:
    if isinstance(command.scaling, OnBacklog):
        assert command.consumes


def test_paths_lead_to_commands_that_exist() -> None:
    names = {command.name for command in COMMANDS}
    assert {rule.command for rule in PATH_RULES} | {OTHER_PATHS} <= names


def test_a_rule_covers_whole_path_segments() -> None:
    rule = PathRule("/v1/jobs", "training-orchestrator")
    assert rule.covers("/v1/jobs")
    assert rule.covers("/v1/jobs/job_1")
    assert not rule.covers("/v1/jobsite")
