"""InvokeEndpoint: headers, limits, the shapes of its errors, faults on demand, many clients."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.sagemaker.account import Account, new_name
from tests.integration.sagemaker.servers import Server, wait_for


@pytest.fixture(scope="module")
def endpoint(account: Account) -> str:
    return account.deploy(mean=1.5)


@pytest.fixture(autouse=True)
def no_faults_left(server: Server) -> Iterator[None]:
    yield
    server.ask("DELETE", "/_penstock/faults")


def put_faults(server: Server, *faults: dict[str, Any]) -> None:
    status, answer = server.ask("PUT", "/_penstock/faults", list(faults))
    assert status == 200, answer


def refusal(account: Account, endpoint: str, body: object = None) -> Mapping[str, Any]:
    with pytest.raises(ClientError) as refused:
        account.invoke(endpoint, body)
    return refused.value.response


def code_and_status(response: Mapping[str, Any]) -> tuple[str, int]:
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_headers_reach_the_model_and_come_back(account: Account, endpoint: str) -> None:
    answer = account.invoke(
        endpoint,
        ContentType="text/csv",
        Accept="application/json",
        CustomAttributes="trace=7",
        InferenceId="prediction-1",
    )

    headers = answer["headers"]
    assert headers["content-type"] == "text/csv"
    assert headers["accept"] == "application/json"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "trace=7"
    assert headers["x-amzn-sagemaker-inference-id"] == "prediction-1"
    assert answer["attributes"] == "answered-by=program"
    assert answer["variant"] == "main"


def test_every_answer_has_a_request_id(account: Account, endpoint: str) -> None:
    found = account.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"{}")
    refused = refusal(account, "no-such-endpoint")

    assert found["ResponseMetadata"]["RequestId"]
    assert refused["ResponseMetadata"]["RequestId"]
    found["Body"].close()


def test_unknown_endpoint_is_a_validation_error(account: Account) -> None:
    assert code_and_status(refusal(account, "no-such-endpoint")) == ("ValidationError", 400)


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (415, "client"), (503, "server")])
def test_what_the_model_refuses_is_a_model_error(
    account: Account, endpoint: str, status: int, side: str
) -> None:
    response = refusal(account, endpoint, {"status": status})

    assert code_and_status(response) == ("ModelError", 424)
    assert response["OriginalStatusCode"] == status
    assert '"mean": 1.5' in response["OriginalMessage"]
    assert response["LogStreamArn"].endswith(f"/aws/sagemaker/Endpoints/{endpoint}")
    assert response["Error"]["Message"].startswith(f"Received {side} error ({status})")


def test_model_over_the_time_limit_is_a_server_error_zero(account: Account, endpoint: str) -> None:
    response = refusal(account, endpoint, {"sleep": 3.5})

    assert code_and_status(response) == ("ModelError", 424)
    assert response["OriginalStatusCode"] == 0
    assert response["Error"]["Message"].startswith("Received server error (0)")


def test_body_over_the_limit_is_refused(account: Account, endpoint: str) -> None:
    limit = 6 * 1024 * 1024

    allowed = account.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"1" * limit)
    assert f'"bytes": {limit}'.encode() in allowed["Body"].read()
    with pytest.raises(ClientError) as refused:
        account.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"1" * (limit + 1))

    assert code_and_status(refused.value.response) == ("ValidationError", 413)


def test_operations_of_the_runtime_that_are_not_written_say_so(
    account: Account, endpoint: str
) -> None:
    with pytest.raises(ClientError) as refused:
        account.runtime.invoke_endpoint_async(
            EndpointName=endpoint, InputLocation="s3://plant-models/in.csv"
        )

    assert code_and_status(refused.value.response) == ("UnknownOperationException", 501)


def test_what_is_not_simulated_is_refused_and_not_ignored(account: Account, endpoint: str) -> None:
    with pytest.raises(account.runtime.exceptions.ValidationError, match="TargetModel"):
        account.invoke(endpoint, TargetModel="pump.tar.gz")


def test_thirty_two_clients_are_served_at_once(account: Account) -> None:
    models = {"champion": account.create_model(), "challenger": account.create_model()}
    endpoint = account.create_endpoint(account.create_config(models))

    def ask(_number: int) -> str:
        return str(account.invoke(endpoint)["variant"])

    with ThreadPoolExecutor(32) as clients:
        shares = Counter(clients.map(ask, range(640)))

    assert sum(shares.values()) == 640
    assert min(shares.values()) > 250


def test_throttling_has_a_null_message(account: Account, server: Server, endpoint: str) -> None:
    put_faults(server, {"kind": "throttle", "endpoint": endpoint, "count": 1})

    response = refusal(account, endpoint)

    assert code_and_status(response) == ("ThrottlingException", 400)
    assert response["Error"]["Message"] is None
    assert account.invoke(endpoint)["mean"] == 1.5


def test_cold_start_is_model_not_ready(account: Account, server: Server, endpoint: str) -> None:
    put_faults(server, {"kind": "cold_start", "count": 2})

    for _ in range(2):
        response = refusal(account, endpoint)
        assert code_and_status(response) == ("ModelNotReadyException", 429)
    assert account.invoke(endpoint)["mean"] == 1.5


def test_server_error_is_an_internal_failure(
    account: Account, server: Server, endpoint: str
) -> None:
    put_faults(server, {"kind": "server_error", "count": 1})

    assert code_and_status(refusal(account, endpoint)) == ("InternalFailure", 500)


def test_garbage_is_a_success_that_nobody_can_read(
    account: Account, server: Server, endpoint: str
) -> None:
    put_faults(server, {"kind": "garbage", "count": 1})

    answer = account.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"{}")

    with pytest.raises(UnicodeDecodeError):
        answer["Body"].read().decode()


def test_slow_answers_take_as_long_as_asked(
    account: Account, server: Server, endpoint: str
) -> None:
    put_faults(server, {"kind": "slow", "count": 1, "delay_seconds": 0.3})

    started_at = time.monotonic()
    account.invoke(endpoint)

    assert time.monotonic() - started_at >= 0.3


def test_faults_concern_their_endpoint_only_and_are_counted(
    account: Account, server: Server, endpoint: str
) -> None:
    put_faults(server, {"kind": "throttle", "endpoint": "another"}, {"kind": "slow"})

    account.invoke(endpoint)

    _, report = server.ask("GET", "/_penstock/faults")
    assert [(fault["kind"], fault["happened"]) for fault in json.loads(report)] == [
        ("throttle", 0),
        ("slow", 1),
    ]


def test_probability_hits_about_its_share(account: Account, server: Server, endpoint: str) -> None:
    put_faults(server, {"kind": "throttle", "probability": 0.5})

    def is_throttled(_number: int) -> bool:
        try:
            account.invoke(endpoint)
        except ClientError:
            return True
        return False

    with ThreadPoolExecutor(4) as clients:
        throttled = sum(clients.map(is_throttled, range(60)))

    assert 10 <= throttled <= 50  # by lot: five deviations from 30


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "earthquake"},
        {"kind": "slow", "count": 1, "probability": 0.5},
        {"kind": "throttle", "probability": 2},
        {"kind": "throttle", "delay_seconds": 1},
    ],
)
def test_unclear_faults_are_refused(server: Server, fault: dict[str, Any]) -> None:
    status, _ = server.ask("PUT", "/_penstock/faults", [fault])

    assert status == 422


def test_silent_rollback_ends_in_service_with_the_old_configuration(
    account: Account, server: Server
) -> None:
    old = account.create_config({"main": account.create_model(mean=1.0)})
    new = account.create_config({"main": account.create_model(mean=2.0)})
    endpoint = account.create_endpoint(old)
    put_faults(server, {"kind": "silent_rollback", "endpoint": endpoint, "count": 1})

    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    described = account.wait_in_service(endpoint)

    assert described["EndpointConfigName"] == old
    assert "FailureReason" not in described
    assert account.invoke(endpoint)["mean"] == 1.0


def test_stuck_endpoint_stays_creating_until_the_faults_are_cleared(
    account: Account, server: Server
) -> None:
    config = account.create_config({"main": account.create_model()})
    endpoint = new_name("endpoint")
    put_faults(server, {"kind": "stuck_creating", "endpoint": endpoint})

    account.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)

    wait_for(
        "the fault happens", lambda: b'"happened":1' in server.ask("GET", "/_penstock/faults")[1]
    )
    assert account.describe(endpoint)["EndpointStatus"] == "Creating"
    assert code_and_status(refusal(account, endpoint)) == ("ValidationError", 400)
    with pytest.raises(ClientError, match="in-progress"):
        account.sagemaker.delete_endpoint(EndpointName=endpoint)
    server.ask("DELETE", "/_penstock/faults")
    account.wait_in_service(endpoint)
