"""What is left, and what comes back, when the server stops, is killed, or starts again."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sagemaker.account import BUCKET, Account
from tests.integration.sagemaker.conftest import StartServer
from tests.integration.sagemaker.servers import Server, is_alive, wait_for


def programs_of(server: Server) -> list[int]:
    """Pids of all processes that belong to this server's containers."""
    mark = f"PENSTOCK_SAGEMAKER_CONTAINER_OF={server.state_dir}#".encode()
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/environ")
        if mark in read_or_nothing(path)
    ]


def read_or_nothing(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def start_hanging_job(server: Server, account: Account) -> tuple[str, list[int]]:
    """A job with a grandchild in a session of its own; return its name and both pids."""
    name = account.create_job(HyperParameters={"hang": "ignoring-sigterm", "child": "yes"})
    log = server.wait_for_log(f"training-jobs/{name}", b"hanging")
    return name, [int(pid) for pid in re.findall(rb"(?:child|own)=(\d+)", log)]


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A server that was killed amid its work and started again."""

    server: Server
    account: Account
    programs_before: list[int]
    programs_after: list[int]
    endpoint: dict[str, Any]
    updated_endpoint: str
    pending_config: str
    finished_job: str
    running_job: str


@pytest.fixture(scope="module")
def killed(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    server = Server(tmp_path_factory.mktemp("killed"), s3_url=s3_url)
    account = Account(sagemaker_url=server.url, s3_url=s3_url)
    with ExitStack() as stack:
        stack.callback(account.close)
        stack.callback(server.close)
        server.start(shutdown_grace_seconds="0.5")
        finished_job = account.create_job()
        account.wait_for_job(finished_job)
        endpoint = deploy_with_moved_weights(account)
        updated_endpoint = account.deploy(mean=1.0)
        running_job, _ = start_hanging_job(server, account)
        slow = account.create_config({"main": account.create_model(mean=2.0, start_seconds=1)})
        account.sagemaker.update_endpoint(EndpointName=updated_endpoint, EndpointConfigName=slow)
        programs_before = programs_of(server)

        server.kill()

        wait_for("all programs ended", lambda: not programs_of(server))
        programs_after = programs_of(server)
        server.start(shutdown_grace_seconds="0.5")
        yield Killed(
            server=server,
            account=account,
            programs_before=programs_before,
            programs_after=programs_after,
            endpoint=endpoint,
            updated_endpoint=updated_endpoint,
            pending_config=slow,
            finished_job=finished_job,
            running_job=running_job,
        )


def deploy_with_moved_weights(account: Account) -> dict[str, Any]:
    """Two variants, traffic moved off one of them, and the model data gone from S3."""
    models = {"champion": account.create_model(mean=1.0), "challenger": account.create_model()}
    endpoint = account.create_endpoint(account.create_config(models))
    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "challenger", "DesiredWeight": 0}],
    )
    account.s3.delete_object(Bucket=BUCKET, Key=f"{models['champion']}/model.tar.gz")
    return account.wait_in_service(endpoint)


def invoke_when_back(account: Account, endpoint: str) -> dict[str, Any]:
    def answer() -> dict[str, Any]:
        try:
            return account.invoke(endpoint)
        except account.runtime.exceptions.ServiceUnavailable:
            return {}  # the only error that a client has to bear meanwhile

    return wait_for("the endpoint is back", answer)


def test_kill_9_leaves_no_orphan_not_even_a_grandchild(killed: Killed) -> None:
    job_and_child, three_variants = 2, 3
    assert len(killed.programs_before) >= job_and_child + three_variants
    assert killed.programs_after == []


def test_endpoints_serve_again_after_kill_9(killed: Killed) -> None:
    before = killed.endpoint
    name = before["EndpointName"]

    answer = invoke_when_back(killed.account, name)

    after = killed.account.wait_in_service(name)
    assert (answer["variant"], answer["mean"]) == ("champion", 1.0)
    for member in ("EndpointConfigName", "ProductionVariants", "CreationTime"):
        assert after[member] == before[member]


def test_job_that_was_running_has_failed_after_kill_9(killed: Killed) -> None:
    job = killed.account.describe_job(killed.running_job)

    assert job["TrainingJobStatus"] == "Failed"
    assert "the local SageMaker ended while this job was running" in job["FailureReason"]
    finished = killed.account.describe_job(killed.finished_job)
    assert finished["TrainingJobStatus"] == "Completed"


def test_update_cut_short_by_kill_9_is_carried_on(killed: Killed) -> None:
    account, endpoint = killed.account, killed.updated_endpoint

    invoke_when_back(account, endpoint)

    wait_for(
        "the new configuration serves",
        lambda: account.describe(endpoint)["EndpointConfigName"] == killed.pending_config,
    )
    assert account.invoke(endpoint)["mean"] == 2.0


def test_sigterm_finishes_the_requests_in_flight_and_leaves_nothing_behind(
    start_server: StartServer,
) -> None:
    server, account = start_server()
    endpoint = account.deploy(mean=1.0, child="yes")
    _, pids = start_hanging_job(server, account)
    answers: list[object] = []
    asking = threading.Thread(
        target=lambda: answers.append(account.invoke(endpoint, {"sleep": 1.0})["mean"])
    )
    asking.start()
    server.wait_for_log(f"endpoints/{endpoint}/main", b"sleeping")
    assert len(programs_of(server)) >= 4

    server.terminate()
    asking.join()

    assert answers == [1.0]
    assert programs_of(server) == []
    assert not any(is_alive(pid) for pid in pids)
    assert not Path("/opt/ml").exists()


def test_second_server_on_the_same_state_is_refused(server: Server) -> None:
    second = Server(server.state_dir.parent, s3_url=server.s3_url)

    with pytest.raises(AssertionError, match="another server is using"):
        second.start()

    second.close()
    assert server.ask("GET", "/_penstock/health")[0] == 200


def test_programs_without_a_namespace_are_told_their_folder(start_server: StartServer) -> None:
    _, account = start_server("--isolation", "directory")

    job = account.wait_for_job(account.create_job())
    endpoint = account.deploy(mean=1.0)

    assert job["TrainingJobStatus"] == "Completed"
    base = account.invoke(endpoint)["base"]
    assert base != "/opt/ml"
    assert Path(base).is_dir()
