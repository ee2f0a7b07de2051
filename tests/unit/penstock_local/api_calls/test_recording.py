"""Requests as aiobotocore and boto3 sign them, through an app that answers anything."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from penstock_local.api_calls.recorder import FILE, MOST_CALLS, ApiCall, Recorder, read_calls
from penstock_local.api_calls.recording import recording

CALLERS = ("inference-worker", "console")
JSON = "application/x-amz-json-1.0"
QUEUE = "http://127.0.0.1:4566/000000000000/penstock-inference"


class Door:
    """A stand-in behind the recording: says what it read, and answers with a status."""

    def __init__(self, file: Path, *, status: int = 200) -> None:
        self.read = b""
        self._status = status
        self._app = recording(self._answer, Recorder(file, prefix="penstock", callers=CALLERS))

    async def ask(
        self,
        body: bytes = b"",
        *,
        caller: str = "inference-worker",
        service: str = "sqs",
        method: str = "POST",
        path: str = "/",
        query: bytes = b"",
        parts: int = 1,
        **headers: str,
    ) -> None:
        scope: MutableMapping[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(b"authorization", signature(caller, service)), *in_bytes(headers)],
        }
        size = max(1, -(-len(body) // parts))
        chunks = [body[start : start + size] for start in range(0, len(body), size)] or [b""]

        async def receive() -> MutableMapping[str, Any]:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        await self._app(scope, receive, self._sent)

    async def _answer(self, _scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            self.read += message["body"]
            more = message["more_body"]
        await send({"type": "http.response.start", "status": self._status, "headers": []})

    async def _sent(self, message: MutableMapping[str, Any]) -> None:
        assert message["status"] == self._status


def signature(caller: str, service: str) -> bytes:
    scope = f"{caller}/20261120/eu-west-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0".encode()


def in_bytes(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]


def line_count(file: Path) -> int:
    return len(file.read_bytes().splitlines()) if file.exists() else 0


def tear(file: Path) -> None:
    """Leave what a kill in mid-write would."""
    with file.open("ab") as torn:
        torn.write(b'{"caller": "cons')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / FILE


async def test_a_call_by_json_is_kept_once_with_its_caller(file: Path) -> None:
    door = Door(file)
    body = b'{"QueueUrl": "%s", "MaxNumberOfMessages": 10}' % QUEUE.encode()
    for _ in range(3):
        await door.ask(body, x_amz_target="AmazonSQS.ReceiveMessage", content_type=JSON)
    assert read_calls(file) == {
        ApiCall("inference-worker", "sqs:ReceiveMessage", "queue/inference")
    }
    assert line_count(file) == 1


async def test_a_call_by_form_is_kept(file: Path) -> None:
    topic = "arn%3Aaws%3Asns%3Aeu-west-1%3A000000000000%3Apenstock-predictions"
    body = f"Action=PublishBatch&Version=2010-03-31&TopicArn={topic}&Entries.1=Action%3D".encode()
    form = "application/x-www-form-urlencoded; charset=utf-8"
    await Door(file).ask(body, service="sns", content_type=form)
    assert read_calls(file) == {ApiCall("inference-worker", "sns:Publish", "topic/predictions")}


async def test_a_call_by_path_is_kept_without_reading_its_body(file: Path) -> None:
    door = Door(file)
    path = "/penstock-archive/readings/dt=2026-11-20/a.parquet"
    await door.ask(b"columns" * 100, service="s3", method="PUT", path=path, parts=3)
    assert read_calls(file) == {
        ApiCall("inference-worker", "s3:PutObject", "bucket/archive/readings/*")
    }
    assert door.read == b"columns" * 100


async def test_a_missing_object_shows_what_it_takes_to_be_told_so(file: Path) -> None:
    path = "/penstock-lake/probes/results-writer"
    await Door(file, status=404).ask(service="s3", method="GET", path=path)
    assert read_calls(file) == {
        ApiCall("inference-worker", "s3:GetObject", "bucket/lake/probes/*"),
        ApiCall("inference-worker", "s3:ListBucket", "bucket/lake"),
    }


async def test_a_body_in_pieces_reaches_the_app_as_it_was(file: Path) -> None:
    door = Door(file)
    body = b'{"QueueUrl": "%s", "Entries": []}' % QUEUE.encode()
    await door.ask(body, x_amz_target="AmazonSQS.SendMessageBatch", content_type=JSON, parts=5)
    assert door.read == body
    assert read_calls(file) == {ApiCall("inference-worker", "sqs:SendMessage", "queue/inference")}


async def test_what_people_tests_and_the_bootstrap_call_is_not_kept(file: Path) -> None:
    door = Door(file)
    await door.ask(b"{}", caller="penstock", x_amz_target="AmazonSQS.ListQueues")
    assert line_count(file) == 0


async def test_nonsense_passes_through_and_is_kept_as_far_as_it_says(file: Path) -> None:
    door = Door(file)
    await door.ask(b"\xff{", x_amz_target="AmazonSQS.SendMessage")
    await door.ask(b"no action", service="sns", content_type="application/x-www-form-urlencoded")
    await door.ask(service="s3", method="PATCH", path="/no/such/operation")
    assert read_calls(file) == {ApiCall("inference-worker", "sqs:SendMessage", "*")}
    assert door.read == b"\xff{no action"


async def test_a_new_start_goes_on_where_the_last_one_was_killed(file: Path) -> None:
    body = b'{"QueueUrl": "%s"}' % QUEUE.encode()
    await Door(file).ask(body, x_amz_target="AmazonSQS.ReceiveMessage")
    tear(file)
    await Door(file).ask(body, x_amz_target="AmazonSQS.ReceiveMessage")
    assert read_calls(file) == {
        ApiCall("inference-worker", "sqs:ReceiveMessage", "queue/inference")
    }
    await Door(file).ask(body, caller="console", x_amz_target="AmazonSQS.DeleteMessage")
    assert ApiCall("console", "sqs:DeleteMessage", "queue/inference") in read_calls(file)


async def test_what_is_kept_is_bounded(file: Path) -> None:
    door = Door(file)
    for number in range(MOST_CALLS + 10):
        body = b'{"QueueUrl": "http://x/1/other-%d"}' % number
        await door.ask(body, x_amz_target="AmazonSQS.SendMessage")
    assert len(read_calls(file)) == MOST_CALLS


async def test_a_full_disk_changes_no_answer(tmp_path: Path) -> None:
    door = Door(tmp_path / "no-such-folder" / FILE)
    await door.ask(b"{}", x_amz_target="AmazonSQS.ListQueues")
    assert door.read == b"{}"
