"""The control plane's manners: errors, pages, filters, tags."""

import json
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.sagemaker.account import Account, job_request, new_name, status_values
from tests.integration.sagemaker.servers import Server


@pytest.fixture
def unchecking(server: Server) -> Any:
    """A client that sends what it is given, so that the server has to check it."""
    config = Config(
        parameter_validation=False, retries={"total_max_attempts": 1}, signature_version=UNSIGNED
    )
    client = boto3.client(
        "sagemaker", endpoint_url=server.url, region_name="eu-west-1", config=config
    )
    yield client
    client.close()


def error_of(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_all_faults_of_a_request_come_in_one_message(unchecking: Any) -> None:
    with pytest.raises(ClientError) as refused:
        unchecking.create_endpoint_config(
            EndpointConfigName="bad_name!",
            ProductionVariants=[{"ModelName": "m", "InitialInstanceCount": 0}],
        )

    code, message = error_of(refused)
    assert code == "ValidationException"
    assert message.startswith("3 validation errors detected: Value 'bad_name!' at ")
    assert (
        "Value null at 'productionVariants.1.member.variantName' failed to satisfy constraint: "
        "Member must not be null"
    ) in message
    assert (
        "Value '0' at 'productionVariants.1.member.initialInstanceCount' failed to satisfy "
        "constraint: Member must have value greater than or equal to 1"
    ) in message


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("describe_training_job", {"TrainingJobName": "missing"}),
        ("stop_training_job", {"TrainingJobName": "missing"}),
        ("describe_model", {"ModelName": "missing"}),
        ("delete_model", {"ModelName": "missing"}),
        ("describe_endpoint_config", {"EndpointConfigName": "missing"}),
        ("delete_endpoint_config", {"EndpointConfigName": "missing"}),
        ("describe_endpoint", {"EndpointName": "missing"}),
        ("delete_endpoint", {"EndpointName": "missing"}),
        ("update_endpoint", {"EndpointName": "missing", "EndpointConfigName": "missing"}),
        ("create_endpoint", {"EndpointName": "new", "EndpointConfigName": "missing"}),
    ],
)
def test_missing_things_are_validation_errors_as_on_aws(
    account: Account, operation: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(account.sagemaker, operation)(**arguments)

    code, message = error_of(refused)
    assert code == "ValidationException"
    assert "missing" in message


def test_operation_that_is_not_written_is_an_honest_501(account: Account) -> None:
    with pytest.raises(ClientError) as refused:
        account.sagemaker.list_notebook_instances()

    assert error_of(refused)[0] == "UnknownOperationException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_operation_that_nobody_knows_is_a_400(server: Server) -> None:
    status, body = server.ask("POST", "/", {})

    assert status == 400
    assert json.loads(body)["__type"] == "UnknownOperationException"


def test_names_cannot_be_taken_twice(account: Account) -> None:
    model = account.create_model()
    config = account.create_config({"main": model})
    endpoint = account.create_endpoint(config)
    sagemaker = account.sagemaker

    container = sagemaker.describe_model(ModelName=model)["PrimaryContainer"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    with pytest.raises(ClientError, match="already existing"):
        sagemaker.create_model(ModelName=model, PrimaryContainer=container)
    with pytest.raises(ClientError, match="already existing"):
        sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=variants)
    with pytest.raises(ClientError, match="already existing"):
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)


def test_description_repeats_the_request_and_nothing_of_the_inside(account: Account) -> None:
    model = account.create_model()

    described = account.sagemaker.describe_model(ModelName=model)

    described.pop("ResponseMetadata")
    assert described.keys() == {
        "ModelName", "ModelArn", "PrimaryContainer", "ExecutionRoleArn", "CreationTime",
    }  # fmt: skip


def test_paginator_walks_all_pages_in_order(account: Account) -> None:
    prefix = new_name("paged")
    model = account.create_model()
    names = [f"{prefix}-{number}" for number in range(5)]
    for name in names:
        container = account.sagemaker.describe_model(ModelName=model)["PrimaryContainer"]
        account.sagemaker.create_model(ModelName=name, PrimaryContainer=container)

    def listed(**options: Any) -> list[str]:
        pages = account.sagemaker.get_paginator("list_models").paginate(
            NameContains=prefix, PaginationConfig={"PageSize": 2}, **options
        )
        found = [[entry["ModelName"] for entry in page["Models"]] for page in pages]
        assert [len(page) for page in found] == [2, 2, 1]
        return [name for page in found for name in page]

    assert listed(SortBy="Name", SortOrder="Ascending") == names
    assert listed() == names[::-1]


def test_token_of_another_question_is_refused(account: Account) -> None:
    for _ in range(2):
        account.create_model()
    page = account.sagemaker.list_models(MaxResults=1)

    for token, sort in [(page["NextToken"], "Name"), ("bm9uc2Vuc2U=", "CreationTime")]:
        with pytest.raises(ClientError) as refused:
            account.sagemaker.list_models(MaxResults=1, NextToken=token, SortBy=sort)
        assert error_of(refused)[0] == "ValidationException"


def test_jobs_are_filtered_by_status_and_time(account: Account) -> None:
    name = account.create_job()
    ended = account.wait_for_job(name)
    sagemaker = account.sagemaker

    def found(**filters: Any) -> bool:
        answer = sagemaker.list_training_jobs(NameContains=name, **filters)
        return bool(answer["TrainingJobSummaries"])

    assert found(StatusEquals="Completed")
    for status in status_values("TrainingJobStatus"):
        assert found(StatusEquals=status) == (status == "Completed")
    assert found(CreationTimeAfter="2020-01-01T00:00:00Z")
    assert not found(CreationTimeBefore="2020-01-01T00:00:00Z")
    assert not found(LastModifiedTimeAfter="2100-01-01T00:00:00Z")
    assert ended["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize("status", status_values("EndpointStatus"))
def test_endpoints_can_be_listed_in_every_status(account: Account, status: str) -> None:
    listed = account.sagemaker.list_endpoints(StatusEquals=status)["Endpoints"]

    assert all(entry["EndpointStatus"] == status for entry in listed)


def test_tags_are_added_replaced_and_deleted(account: Account) -> None:
    name = new_name("job")
    account.create_job(name=name, Tags=[{"Key": "plant", "Value": "north"}])
    arn = account.wait_for_job(name)["TrainingJobArn"]
    sagemaker = account.sagemaker

    tags = [{"Key": "plant", "Value": "south"}, {"Key": "line", "Value": "Größe 1"}]
    sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    listed = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["plant"])

    assert sorted(listed, key=lambda tag: str(tag["Key"])) == sorted(
        tags, key=lambda tag: str(tag["Key"])
    )
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    assert [tag["Key"] for page in pages for tag in page["Tags"]] == ["line"]
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.list_tags(ResourceArn=arn.replace(name, "missing"))


def test_job_that_needs_what_is_not_simulated_is_refused(account: Account) -> None:
    request = job_request(new_name("job"))
    request["AlgorithmSpecification"]["TrainingInputMode"] = "Pipe"

    with pytest.raises(ClientError, match="does not simulate input mode Pipe"):
        account.sagemaker.create_training_job(**request)


def test_health_counts_what_is_there(account: Account, server: Server) -> None:
    account.deploy()

    status, body = server.ask("GET", "/_penstock/health")

    health = json.loads(body)
    assert status == 200
    assert health["status"] == "ok"
    assert health["endpoints"]["InService"] >= 1
