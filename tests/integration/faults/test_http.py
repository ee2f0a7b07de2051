"""Every fault of the HTTP proxy, seen by real clients."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from penstock_local.faults.proxy import FaultProxy
from penstock_local.faults.rules import Fault

from tests.fixtures.waiting import PATIENCE_SECONDS, answered, until
from tests.integration.faults.target import Echo, echoing


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with echoing() as target:
        yield target


@pytest.fixture
async def proxy(echo: Echo, caplog: pytest.LogCaptureFixture) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(target=echo.url) as proxy:
        yield proxy
    assert [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR] == []


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=proxy.url, trust_env=False, timeout=PATIENCE_SECONDS
    ) as client:
        yield client


async def test_without_faults_requests_pass_unchanged(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/a%2Fb/c%20d?x=1&y=%2B", content=b"\x00\xff", headers={"X-Amz-Target": "T", "Host": "h:1"}
    )
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["body"]) == (
        "POST",
        "/a%2Fb/c%20d?x=1&y=%2B",
        "\x00ÿ",
    )
    assert seen["headers"]["X-Amz-Target"] == "T"
    assert seen["headers"]["Host"] == "h:1"
    assert "Content-Type" not in seen["headers"]
    assert answer.headers["X-Mine"] == "1"


async def test_compressed_and_streamed_answers_pass(client: httpx.AsyncClient) -> None:
    assert (await client.get("/gzip")).json()["path"] == "/gzip"
    assert len((await client.get("/long")).content) == 100_000


async def test_large_and_compressed_requests_pass(client: httpx.AsyncClient, echo: Echo) -> None:
    body = b"x" * 5_000_000
    await client.put("/upload", content=body, headers={"Content-Encoding": "gzip"})
    assert echo.requests[-1][2] == body


async def test_head_and_empty_answers_pass(client: httpx.AsyncClient) -> None:
    answer = await client.head("/x")
    assert answer.status_code == 200
    assert int(answer.headers["Content-Length"]) > 0
    assert answer.content == b""


async def test_expect_continue_is_answered(proxy: FaultProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(
        b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert (
        await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS) == b"HTTP/1.1 100 Continue\r\n"
    )
    writer.write(b"ok")
    rest = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    assert b"HTTP/1.1 200" in rest
    assert b'"body": "ok"' in rest
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_delay_holds_the_answer(
    proxy: FaultProxy, client: httpx.AsyncClient, when: str
) -> None:
    proxy.set(Fault.model_validate({"kind": "delay", "seconds": 0.2, "when": when}))
    start = time.monotonic()
    assert (await client.get("/x")).status_code == 200
    assert time.monotonic() - start >= 0.2


async def test_a_caller_that_gives_up_on_a_late_answer_has_been_heard(
    proxy: FaultProxy, client: httpx.AsyncClient, echo: Echo
) -> None:
    proxy.set(Fault(kind="delay", seconds=1, when="after"))
    with pytest.raises(httpx.ReadTimeout):
        await client.get("/x", timeout=httpx.Timeout(PATIENCE_SECONDS, read=0.3))
    await until(lambda: len(echo.requests) == 1, "the target has heard of it")


@pytest.mark.parametrize(("when", "heard"), [("before", 0), ("after", 1)])
async def test_drop_resets_the_connection(
    proxy: FaultProxy, client: httpx.AsyncClient, echo: Echo, when: str, heard: int
) -> None:
    proxy.set(Fault.model_validate({"kind": "drop", "count": 1, "when": when}))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await client.get("/x")
    assert len(echo.requests) == heard
    assert (await client.get("/x")).status_code == 200


async def test_duplicate_sends_twice_and_answers_the_second(
    proxy: FaultProxy, client: httpx.AsyncClient, echo: Echo
) -> None:
    proxy.set(Fault(kind="duplicate", path="/v1/"))
    assert (await client.post("/v1/readings", content=b"r")).json()["number"] == 2
    assert echo.requests[0] == echo.requests[1]
    assert (await client.post("/other")).json()["number"] == 3


async def test_cut_ends_the_connection_within_the_answer(
    proxy: FaultProxy, client: httpx.AsyncClient
) -> None:
    proxy.set(Fault(kind="cut", count=2))
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/x")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/long")
    assert (await client.get("/x")).status_code == 200


async def test_truncate_answers_half_as_if_it_were_whole(
    proxy: FaultProxy, client: httpx.AsyncClient
) -> None:
    whole = await client.get("/long")
    proxy.set(Fault(kind="truncate"))
    assert len((await client.get("/long")).content) == len(whole.content) // 2


async def test_throttle_and_error_answer_any_client(
    proxy: FaultProxy, client: httpx.AsyncClient, echo: Echo
) -> None:
    proxy.set(Fault(kind="throttle", count=1, retry_after=2), Fault(kind="error", status=502))
    throttled, failed = await client.get("/x"), await client.get("/x")
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "2")
    assert failed.status_code == 502
    assert echo.requests == []
    assert proxy.hits == {"throttle": 1, "error": 1}


async def test_refuse_stops_listening_until_it_is_cleared(
    proxy: FaultProxy, client: httpx.AsyncClient
) -> None:
    await client.get("/x")
    proxy.set(Fault(kind="refuse"))
    for _ in range(2):
        with pytest.raises((httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError)):
            await client.get("/x")
    with pytest.raises(httpx.ConnectError):
        await client.get("/x")
    proxy.clear()
    assert (await client.get("/x")).status_code == 200


async def test_refuse_may_end_by_itself(proxy: FaultProxy) -> None:
    # To make a client takes a while, and so may the way to its first request.
    async with httpx.AsyncClient(trust_env=False) as client:
        proxy.set(Fault(kind="refuse", seconds=2))
        with pytest.raises(httpx.ConnectError):
            await client.get(proxy.url)

        async def is_back() -> bool:
            with contextlib.suppress(httpx.ConnectError):
                return (await client.get(proxy.url)).status_code == 200
            return False

        await answered(is_back, "the target is reached again")
    assert proxy.faults == []


async def test_a_dead_target_looks_like_a_broken_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        FaultProxy(target="127.0.0.1:1") as proxy,
        httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client,
    ):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.get("/x")


def aws(service: str, url: str) -> "boto3.client":
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="example",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE_SECONDS),
    )


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        ("sqs.list_queues", "ThrottlingException", 400),
        ("sns.list_topics", "Throttling", 400),
        ("s3.list_buckets", "SlowDown", 503),
        ("dynamodb.list_tables", "ThrottlingException", 400),
        ("sagemaker.list_models", "ThrottlingException", 400),
        ("sagemaker-runtime.invoke_endpoint", "ThrottlingException", 400),
    ],
)
async def test_throttle_is_what_boto3_calls_throttling(
    proxy: FaultProxy, call: str, code: str, status: int
) -> None:
    proxy.set(Fault(kind="throttle"))
    service, operation = call.split(".")
    arguments = {"EndpointName": "pump-failure", "Body": b"1"} if "runtime" in service else {}
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(getattr(aws(service, proxy.url), operation), **arguments)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


async def test_only_the_named_action_is_throttled(proxy: FaultProxy, echo: Echo) -> None:
    proxy.set(Fault(kind="throttle", action="^Publish"), Fault(kind="error", action="ListTopics"))
    client = aws("sns", proxy.url)
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(client.list_topics)
    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(client.publish, TopicArn="arn", Message="m")
    assert caught.value.response["Error"]["Code"] == "Throttling"
