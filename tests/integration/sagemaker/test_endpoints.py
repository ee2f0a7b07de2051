"""Endpoints: deployed, shared between variants, switched under load, rolled back, deleted."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.integration.sagemaker.account import QUICK, Account, new_name, variant
from tests.integration.sagemaker.servers import Server, is_alive, wait_for


def weights(described: dict[str, Any]) -> dict[str, float]:
    return {
        entry["VariantName"]: entry["CurrentWeight"] for entry in described["ProductionVariants"]
    }


@contextmanager
def steady_load(account: Account, endpoint: str) -> Iterator[list[object]]:
    """Keep asking from two threads; collect each answer's variant, or the error."""
    answers: list[object] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answers.append(account.invoke(endpoint)["mean"])
            except ClientError as error:
                answers.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_for("the load runs", lambda: len(answers) > 10)
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_trained_model_is_served(account: Account) -> None:
    job = account.wait_for_job(account.create_job())
    model = new_name("model")
    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    account.sagemaker.create_model(
        ModelName=model,
        PrimaryContainer={
            "Image": job["AlgorithmSpecification"]["TrainingImage"],
            "ModelDataUrl": url,
            "Environment": {"PLANT": "boiler"},
        },
    )

    endpoint = account.create_endpoint(account.create_config({"main": model}))

    answer = account.invoke(endpoint, {"environment": True})
    assert answer["mean"] == 2.0
    assert answer["environment"]["PLANT"] == "boiler"
    assert answer["environment"]["OMP_NUM_THREADS"] == "1"


def test_traffic_is_shared_by_weight(account: Account) -> None:
    models = {"champion": account.create_model(), "challenger": account.create_model()}
    endpoint = account.create_endpoint(account.create_config(models, champion=0.8, challenger=0.2))

    shares = Counter(account.invoke(endpoint)["variant"] for _ in range(200))

    assert 130 <= shares["champion"] <= 190  # by lot: five deviations from 160
    assert shares["champion"] + shares["challenger"] == 200


def test_target_variant_is_asked_whatever_its_weight(account: Account) -> None:
    models = {"champion": account.create_model(), "challenger": account.create_model(mean=5.0)}
    endpoint = account.create_endpoint(account.create_config(models, champion=1, challenger=0))

    answer = account.invoke(endpoint, TargetVariant="challenger")

    assert (answer["variant"], answer["mean"]) == ("challenger", 5.0)
    with pytest.raises(account.runtime.exceptions.ValidationError):
        account.invoke(endpoint, TargetVariant="nobody")


def test_weights_move_traffic_without_a_new_deployment(account: Account) -> None:
    models = {"champion": account.create_model(), "challenger": account.create_model()}
    endpoint = account.create_endpoint(account.create_config(models, champion=1, challenger=0))
    pids = {account.invoke(endpoint, TargetVariant=name)["pid"] for name in models}

    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[
            {"VariantName": "champion", "DesiredWeight": 0},
            {"VariantName": "challenger", "DesiredWeight": 1, "DesiredInstanceCount": 3},
        ],
    )
    described = account.wait_in_service(endpoint)

    assert weights(described) == {"champion": 0, "challenger": 1}
    assert [v["CurrentInstanceCount"] for v in described["ProductionVariants"]] == [1, 3]
    answers = [account.invoke(endpoint) for _ in range(20)]
    assert {answer["variant"] for answer in answers} == {"challenger"}
    assert {answer["pid"] for answer in answers} <= pids


def test_update_under_load_loses_no_request(account: Account) -> None:
    endpoint = account.deploy(mean=1.0)
    green = account.create_config({"main": account.create_model(mean=2.0, start_seconds=0.3)})

    with steady_load(account, endpoint) as answers:
        account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=green)
        described = account.wait_in_service(endpoint)
        switched_at = len(answers)
        wait_for("the load meets the new fleet", lambda: len(answers) > switched_at + 20)

    assert described["EndpointConfigName"] == green
    assert set(answers) == {1.0, 2.0}
    assert set(answers[switched_at + 5 :]) == {2.0}


def test_blue_process_ends_after_the_switch(account: Account) -> None:
    endpoint = account.deploy()
    blue = account.invoke(endpoint)["pid"]
    green = account.create_config({"main": account.create_model()})

    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=green)
    account.wait_in_service(endpoint)

    assert account.invoke(endpoint)["pid"] != blue
    wait_for("the blue process ends", lambda: not is_alive(blue))


def test_request_in_flight_is_answered_by_the_fleet_that_took_it(
    account: Account, server: Server
) -> None:
    endpoint = account.deploy(mean=1.0)
    green = account.create_config({"main": account.create_model(mean=2.0)})
    slow: list[object] = []

    asking = threading.Thread(
        target=lambda: slow.append(account.invoke(endpoint, {"sleep": 0.8})["mean"])
    )
    asking.start()
    server.wait_for_log(f"endpoints/{endpoint}/main", b"sleeping")
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=green)
    account.wait_in_service(endpoint)
    assert account.invoke(endpoint)["mean"] == 2.0
    asking.join()

    assert slow == [1.0]


def test_broken_model_is_rolled_back_while_the_old_one_serves(account: Account) -> None:
    old = account.create_config({"main": account.create_model(mean=1.0)})
    endpoint = account.create_endpoint(old)
    new = account.create_config({"main": account.create_model(mean=2.0, start="crash")})

    with steady_load(account, endpoint) as answers:
        account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
        described = account.wait_in_service(endpoint)

    assert described["EndpointConfigName"] == old
    assert "did not pass the ping health check" in described["FailureReason"]
    assert set(answers) == {1.0}


def test_broken_model_fails_a_new_endpoint(account: Account) -> None:
    config = account.create_config({"main": account.create_model(start="crash")})

    with pytest.raises(WaiterError):
        account.create_endpoint(config)

    [failed] = account.sagemaker.list_endpoints(StatusEquals="Failed", MaxResults=1)["Endpoints"]
    described = account.describe(failed["EndpointName"])
    assert "cannot read the model" in described["FailureReason"]
    account.sagemaker.delete_endpoint(EndpointName=failed["EndpointName"])


def test_second_update_waits_for_the_first(account: Account) -> None:
    endpoint = account.deploy()
    slow = account.create_config({"main": account.create_model(start_seconds=3)})
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=slow)

    described = account.describe(endpoint)
    assert described["EndpointStatus"] == "Updating"
    assert described["PendingDeploymentSummary"]["EndpointConfigName"] == slow
    with pytest.raises(ClientError, match=r"ValidationException.*in-progress"):
        account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=slow)
    with pytest.raises(ClientError, match=r"ValidationException.*in-progress"):
        account.sagemaker.delete_endpoint(EndpointName=endpoint)
    account.wait_in_service(endpoint)


def test_update_resets_live_weights_unless_told_to_retain_them(account: Account) -> None:
    models = {"champion": account.create_model(), "challenger": account.create_model()}
    endpoint = account.create_endpoint(account.create_config(models))
    fresh = account.create_config(models)

    def after_update(**options: Any) -> tuple[dict[str, float], list[int]]:
        account.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint,
            DesiredWeightsAndCapacities=[
                {"VariantName": "champion", "DesiredWeight": 9, "DesiredInstanceCount": 4}
            ],
        )
        account.wait_in_service(endpoint)
        account.sagemaker.update_endpoint(
            EndpointName=endpoint, EndpointConfigName=fresh, **options
        )
        described = account.wait_in_service(endpoint)
        counts = [entry["CurrentInstanceCount"] for entry in described["ProductionVariants"]]
        return weights(described), counts

    assert after_update() == ({"champion": 1, "challenger": 1}, [1, 1])
    retained = after_update(RetainAllVariantProperties=True)
    assert retained == ({"champion": 9, "challenger": 1}, [4, 1])
    excluding = [{"VariantPropertyType": "DesiredWeight"}]
    partly = after_update(
        RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=excluding
    )
    assert partly == ({"champion": 1, "challenger": 1}, [4, 1])


def test_deployment_config_is_kept_only_when_retained(account: Account) -> None:
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    policy = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    endpoint = account.deploy()
    config = account.describe(endpoint)["EndpointConfigName"]

    def after_update(**options: Any) -> object:
        account.sagemaker.update_endpoint(
            EndpointName=endpoint, EndpointConfigName=config, **options
        )
        return account.wait_in_service(endpoint).get("LastDeploymentConfig")

    assert after_update(DeploymentConfig=policy) == policy
    assert after_update(RetainDeploymentConfig=True) == policy
    assert after_update() is None


def test_crashed_process_is_restarted_and_meanwhile_said_to_be_unavailable(
    account: Account,
) -> None:
    endpoint = account.deploy(start_seconds=2)  # so long it is away when it begins anew
    before = account.invoke(endpoint)["pid"]

    with pytest.raises(account.runtime.exceptions.ServiceUnavailable):
        account.invoke(endpoint, {"crash": True})
    with pytest.raises(account.runtime.exceptions.ServiceUnavailable) as refused:
        account.invoke(endpoint)

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503

    def pid() -> int:
        try:
            return int(account.invoke(endpoint)["pid"])
        except account.runtime.exceptions.ServiceUnavailable:
            return 0

    assert wait_for("the process is back", pid) != before
    assert account.describe(endpoint)["EndpointStatus"] == "InService"


def test_deleted_endpoint_is_gone_with_its_process(account: Account) -> None:
    endpoint = account.deploy(child="yes")
    pid = account.invoke(endpoint)["pid"]

    account.sagemaker.delete_endpoint(EndpointName=endpoint)
    account.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=endpoint, WaiterConfig=QUICK)

    wait_for("its process ended", lambda: not is_alive(pid))
    with pytest.raises(account.runtime.exceptions.ValidationError):
        account.invoke(endpoint)


def test_endpoint_outlives_its_configuration_and_model(account: Account) -> None:
    endpoint = account.deploy(mean=4.0)
    config = account.describe(endpoint)["EndpointConfigName"]
    described = account.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    model = described["ProductionVariants"][0]["ModelName"]

    account.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    account.sagemaker.delete_model(ModelName=model)

    assert account.invoke(endpoint)["mean"] == 4.0


def test_missing_model_data_is_named_in_the_reason(account: Account) -> None:
    url = "s3://plant-models/no/such/model.tar.gz"

    assert url in reason_of_failure(account, url)


def test_damaged_model_data_fails_the_endpoint_with_a_reason(account: Account) -> None:
    url = account.put(f"{new_name('model')}/model.tar.gz", b"no archive at all")

    assert "cannot be unpacked" in reason_of_failure(account, url)


def reason_of_failure(account: Account, model_url: str) -> str:
    """Bring up an endpoint that cannot come up, and return why."""
    model = new_name("model")
    container = {"Image": "penstock-average:1.0", "ModelDataUrl": model_url}
    account.sagemaker.create_model(ModelName=model, PrimaryContainer=container)
    config = account.create_config({"main": model})
    with pytest.raises(WaiterError) as failed:
        account.create_endpoint(config)
    last: Any = failed.value.last_response
    return str(last["FailureReason"])


def test_serverless_variant_serves_too(account: Account) -> None:
    config = new_name("config")
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    entry = {
        "VariantName": "main",
        "ModelName": account.create_model(mean=3.0),
        "ServerlessConfig": serverless,
    }
    account.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[entry])

    endpoint = account.create_endpoint(config)

    assert account.invoke(endpoint)["mean"] == 3.0
    [described] = account.describe(endpoint)["ProductionVariants"]
    assert described["CurrentServerlessConfig"] == serverless


def test_uncompressed_model_data_is_served(account: Account) -> None:
    name = new_name("model")
    account.put(f"{name}/model.json", b'{"mean": 6.0}')
    source = {
        "S3Uri": f"s3://plant-models/{name}/",
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    account.sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={
            "Image": "penstock-average:1.0",
            "ModelDataSource": {"S3DataSource": source},
        },
    )

    endpoint = account.create_endpoint(account.create_config({"main": name}))

    assert account.invoke(endpoint)["mean"] == 6.0


@pytest.mark.parametrize(
    "members",
    [
        {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://plant-models/out"}}},
        {"ShadowProductionVariants": [variant("shadow", "any-model")]},
    ],
)
def test_what_is_not_simulated_is_refused_and_not_ignored(
    account: Account, members: dict[str, Any]
) -> None:
    variants = [variant("main", account.create_model())]

    with pytest.raises(ClientError, match="does not simulate"):
        account.sagemaker.create_endpoint_config(
            EndpointConfigName=new_name("config"), ProductionVariants=variants, **members
        )
