"""What every channel owes its readers, whoever wrote it; the files in golden/ stay for ever."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from penstock.channel import SNS_LIMIT, SQS_LIMIT, Channel, Topic
from penstock.domain.errors import MalformedPayload, UnsupportedVersion
from penstock.resources import CHANNELS, QUEUES

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())
def test_the_worst_message_fits_its_carrier(channel: Channel[Any]) -> None:
    body = channel.encode(channel.worst_case())
    assert len(body.encode()) <= channel.limit
    assert channel.limit == (SNS_LIMIT if isinstance(channel.carrier, Topic) else SQS_LIMIT)


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())
def test_a_message_comes_back_as_it_was_sent(channel: Channel[Any]) -> None:
    message = channel.worst_case()
    assert channel.encode(channel.decode(channel.encode(message))) == channel.encode(message)


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())
def test_a_message_of_another_version_is_refused_by_name(channel: Channel[Any]) -> None:
    fields = msgspec.json.decode(channel.encode(channel.worst_case()))
    fields["version"] = channel.version + 1
    with pytest.raises(UnsupportedVersion, match=channel.name):
        channel.decode(json.dumps(fields))


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())
def test_a_field_that_a_newer_writer_added_is_ignored(channel: Channel[Any]) -> None:
    """What docs/upgrade.md lets a writer do without a new version."""
    body = channel.encode(channel.worst_case())
    fields = msgspec.json.decode(body)
    assert channel.encode(channel.decode(json.dumps({**fields, "added": 1}))) == body


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())
@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"version": 1}', '{"version": "1"}'])
def test_garbage_is_malformed_and_nothing_else(channel: Channel[Any], body: str) -> None:
    with pytest.raises(MalformedPayload):
        channel.decode(body)


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())
def test_every_version_has_a_golden_sample(channel: Channel[Any]) -> None:
    samples = list(GOLDEN.glob(f"{channel.name}.v{channel.version}*.json"))
    assert samples, f"keep a sample of {channel.name} v{channel.version} in {GOLDEN.name}/"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.name)
def test_golden_samples_still_parse(path: Path) -> None:
    channel = CHANNELS[path.name.split(".")[0]]
    message = channel.decode(path.read_text())
    assert msgspec.json.decode(channel.encode(message)) == json.loads(path.read_text())


def test_no_two_channels_share_a_queue_and_each_has_dead_letters() -> None:
    names = [queue.name for queue in QUEUES]
    assert len(names) == len(set(names))
    for queue in QUEUES:
        assert queue.dead_letter_name == f"{queue.name}-dlq"
        assert queue.max_receives >= 3
        assert queue.retention_seconds == 14 * 24 * 3600
