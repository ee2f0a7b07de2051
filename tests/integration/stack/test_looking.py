"""Looking into a stack from the command line, told where it is by variables."""

import os
import subprocess
import sys
from collections.abc import Mapping

import boto3
import pytest
from penstock.resources import physical_name


def run(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "penstock_local",
        words[0],
        "--state-dir",
        "/nonexistent",
        *words[1:],
    ]
    return subprocess.run(  # noqa: S603  # our own words
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.usefixtures("aws_environment")
def test_a_waiting_message_is_shown_at_its_queue(name_prefix: str) -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=physical_name(name_prefix, "corrections-dlq"))["QueueUrl"]
    mine = {"PENSTOCK_NAME_PREFIX": name_prefix}
    assert "corrections-dlq" not in run(["queues"], mine).stdout

    sqs.send_message(QueueUrl=url, MessageBody="{}")

    shown = run(["queues"], mine)
    assert shown.returncode == 0, shown.stderr
    (row,) = (line for line in shown.stdout.splitlines() if "corrections-dlq" in line)
    assert [word for word in row.split() if word.isdigit()] == ["1", "0", "0"]


def test_tools_of_postgresql_find_the_data_base(aurora_dsn: str) -> None:
    variables = {"PENSTOCK_AURORA_DSN": aurora_dsn}
    asked = run(["pg", "psql", "--", "-Atc", "select count(*) from predictions"], variables)
    assert (asked.returncode, asked.stdout.strip()) == (0, "0"), asked.stderr
    assert run(["pg", "psql", "--", "-c", "selekt"], variables).returncode == 1
    assert run(["pg", "pg_isready"], variables).returncode == 0
