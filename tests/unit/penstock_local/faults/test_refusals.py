import json

import pytest
from penstock_local.faults.refusals import (
    Dialect,
    describe_request,
    recognise_dialect,
    refuse,
)
from penstock_local.faults.rules import Fault

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def signed(service: str) -> dict[str, str]:
    credential = f"AKID/20261120/eu-central-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host"}


@pytest.mark.parametrize(
    ("headers", "body", "dialect"),
    [
        ({}, b"", Dialect.PLAIN),
        ({"X-Amz-Target": "AmazonSQS.SendMessage"}, b"{}", Dialect.AWS_JSON),
        (signed("sagemaker"), b"1,2", Dialect.AWS_JSON),
        (signed("sns") | FORM, b"Action=Publish&Version=1", Dialect.AWS_QUERY),
        (signed("s3"), b"", Dialect.S3),
        (FORM, b"name=value", Dialect.PLAIN),
    ],
)
def test_the_dialect_shows_in_the_request(
    headers: dict[str, str], body: bytes, dialect: Dialect
) -> None:
    assert recognise_dialect(headers, body) is dialect


def test_the_action_is_the_target_or_a_form_field() -> None:
    by_target = describe_request("post", "/", {"X-Amz-Target": "AmazonSQS.SendMessage"}, b"{}")
    assert by_target.action == "AmazonSQS.SendMessage"
    assert describe_request("POST", "/", FORM, b"Version=1&Action=Publish").action == "Publish"
    assert describe_request("POST", "/v1/readings", {}, b"{}").action == ""


@pytest.mark.parametrize(
    ("fault", "dialect", "status", "words"),
    [
        (Fault(kind="throttle"), Dialect.PLAIN, 429, "TooManyRequests"),
        (Fault(kind="throttle"), Dialect.AWS_JSON, 400, "ThrottlingException"),
        (Fault(kind="throttle"), Dialect.AWS_QUERY, 400, "<Code>Throttling</Code>"),
        (Fault(kind="throttle"), Dialect.S3, 503, "<Code>SlowDown</Code>"),
        (Fault(kind="throttle", status=503), Dialect.AWS_JSON, 503, "ThrottlingException"),
        (Fault(kind="throttle", code="Busy"), Dialect.AWS_JSON, 400, "Busy"),
        (Fault(kind="error"), Dialect.PLAIN, 500, "InternalError"),
        (Fault(kind="error", status=502), Dialect.AWS_JSON, 502, "InternalFailure"),
    ],
)
def test_a_refusal_is_worded_as_the_service_does(
    fault: Fault, dialect: Dialect, status: int, words: str
) -> None:
    refusal = refuse(fault, dialect)
    assert refusal.status == status
    assert words in refusal.body.decode()


def test_an_aws_error_names_its_type_and_request() -> None:
    refusal = refuse(Fault(kind="throttle"), Dialect.AWS_JSON)
    assert json.loads(refusal.body)["__type"] == "ThrottlingException"
    assert refusal.headers["x-amzn-ErrorType"] == "ThrottlingException"
    assert "x-amzn-RequestId" in refusal.headers


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        (Fault(kind="throttle"), "1"),
        (Fault(kind="throttle", retry_after=7), "7"),
        (Fault(kind="error", status=503, retry_after=3), "3"),
        (Fault(kind="error"), None),
    ],
)
def test_retry_after_is_told_in_whole_seconds(fault: Fault, retry_after: str | None) -> None:
    assert refuse(fault, Dialect.PLAIN).headers.get("Retry-After") == retry_after
