"""docs/upgrade.md names what there is: who adds a command or a channel says where it goes."""

import re
from pathlib import Path

from penstock.resources import CHANNELS, COMMANDS, PATH_RULES

TEXT = (Path(__file__).parents[2] / "docs/upgrade.md").read_text()


def test_the_order_has_every_command_once() -> None:
    order = re.search(r"each until it is healthy:\n(.*)\.\n", TEXT)
    assert order is not None
    named = re.findall(r"`([a-z-]+)`", order[1])
    assert sorted(named) == sorted(command.name for command in COMMANDS)
    assert named[-1] == PATH_RULES[0].command, "who answers gateways goes last"


def test_consumers_of_a_channel_come_before_its_last_writer() -> None:
    order = re.search(r"each until it is healthy:\n(.*)\.\n", TEXT)
    assert order is not None
    position = {name: n for n, name in enumerate(re.findall(r"`([a-z-]+)`", order[1]))}
    consumers = {queue.name: command.name for command in COMMANDS for queue in command.consumes}
    writers = {
        "readings": "ingest-api",
        "predictions": "inference-worker",
        "slices": "training-orchestrator",
    }
    for channel, writer in writers.items():
        for queue in CHANNELS[channel].queues:
            assert position[consumers[queue.name]] < position[writer], (channel, queue.name)


def test_every_channel_has_its_writers_and_readers() -> None:
    table = TEXT.split("| channel | written by | read by |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", table)) == set(CHANNELS)
