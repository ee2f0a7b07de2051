"""Which permissions an operation needs: IAM grants actions on resources, not operations.

Sources of what is not simply `service:Operation` on the resource it names: the Service
Authorization Reference (docs.aws.amazon.com/service-authorization), the DynamoDB guide's page on
transactions and IAM, the S3 guide's table of required permissions by operation, and SageMaker's
"API permissions: actions, permissions and resources". A test holds the actions named here to the
reference.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penstock_local.api_calls.request import Operation

ANYTHING = "*"
"""Resource of an action that IAM grants on everything or on nothing."""
FOREIGN = "!"
"""What the name of a resource begins with that is not the deployment's own."""

# A batch is allowed by the action of one entry.
RENAMED = {
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sns", "PublishBatch"): "Publish",
}
# Each item of a transaction is allowed like the operation on it alone.
TRANSACTED = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "ConditionCheck": "ConditionCheckItem",
}
ON_OBJECTS = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "PutObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "ListParts": "ListMultipartUploadParts",
    "DeleteObject": "DeleteObject",
    "PutObjectTagging": "PutObjectTagging",
    "GetObjectTagging": "GetObjectTagging",
}
ON_BUCKETS = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
    "DeleteObjects": "DeleteObject",
}
# What of SageMaker an operation is about; AWS looks at both where there are two.
SAGEMAKER = (
    (re.compile("(Create|Update)Endpoint"), ("endpoint", "endpoint-config")),
    (re.compile("(Describe|Delete|Invoke)Endpoint"), ("endpoint",)),
    (re.compile("UpdateEndpointWeightsAndCapacities"), ("endpoint",)),
    (re.compile("(Create|Describe|Delete)EndpointConfig"), ("endpoint-config",)),
    (re.compile("(Create|Describe|Delete)Model"), ("model",)),
    (re.compile("(Create|Describe|Stop)TrainingJob"), ("training-job",)),
)


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """An action as IAM names it, on a resource as `penstock.resources` names it.

    Resources are `queue/inference`, `table/jobs`, `table/jobs/index/by-creation`, `topic/readings`,
    `bucket/archive`, `bucket/archive/readings/*`, `bucket/archive?prefix=quarantine/*`,
    `endpoint/*` and so on: without the deployment's prefix, and with a star for what users name.
    """

    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Names:
    """What the deployment's resources are called."""

    prefix: str

    def logical(self, physical: str) -> str:
        """Name without the deployment's prefix; marked as foreign where it has none."""
        head = f"{self.prefix}-"
        return physical.removeprefix(head) if physical.startswith(head) else f"{FOREIGN}{physical}"

    def any_of(self, physical: str) -> str:
        """The same for what users name: a star."""
        return "*" if physical.startswith(f"{self.prefix}-") else f"{FOREIGN}*"


def permissions_for(operation: Operation, names: Names) -> list[Permission]:
    """Everything that the caller must be allowed for the operation to go through."""
    match operation.service:
        case "dynamodb":
            return list(_dynamodb(operation, names))
        case "s3":
            return [_s3(operation, names)]
        case "sagemaker":
            return list(_sagemaker(operation, names))
        case "states":
            return list(_states(operation, names))
        case service:
            name = RENAMED.get((service, operation.name), operation.name)
            return [Permission(f"{service}:{name}", _named(operation, names))]


def to_find_nothing(operation: Operation, names: Names) -> Permission | None:
    """What S3 asks for besides to say that an object is missing: without it, it says 403."""
    if operation.service != "s3" or operation.name not in {"GetObject", "HeadObject"}:
        return None
    return Permission("s3:ListBucket", f"bucket/{names.logical(operation.words['Bucket'])}")


def _named(operation: Operation, names: Names) -> str:
    given, words = operation.parameters, operation.words
    match operation.service:
        case "sqs":
            physical = given.QueueName or given.QueueUrl.rpartition("/")[2]
            return f"queue/{names.logical(physical)}" if physical else ANYTHING
        case "sns":
            physical = words.get("Name") or words.get("TopicArn", "").rpartition(":")[2]
            return f"topic/{names.logical(physical)}" if physical else ANYTHING
        case "secretsmanager" if given.SecretId:
            folder, slash, _ = given.SecretId.rpartition("/")
            return f"secret/{folder}{slash}*"
        case _:
            return ANYTHING


def _dynamodb(operation: Operation, names: Names) -> Iterator[Permission]:
    given = operation.parameters
    for item in given.table_items:
        for kind, one in item.items():
            name = TRANSACTED.get(kind, kind)
            yield Permission(f"dynamodb:{name}", f"table/{names.logical(one.TableName)}")
    for table in given.RequestItems:
        yield Permission(f"dynamodb:{operation.name}", f"table/{names.logical(table)}")
    if given.table_items or given.RequestItems:
        return
    index = f"/index/{given.IndexName}" if given.IndexName else ""
    resource = f"table/{names.logical(given.TableName)}{index}" if given.TableName else ANYTHING
    yield Permission(f"dynamodb:{operation.name}", resource)


def _s3(operation: Operation, names: Names) -> Permission:
    name, words = operation.name, operation.words
    bucket = f"bucket/{names.logical(words['Bucket'])}" if "Bucket" in words else ANYTHING
    if name in ON_OBJECTS:
        return Permission(f"s3:{ON_OBJECTS[name]}", f"{bucket}/{_below(words['Key'])}")
    if name in ON_BUCKETS:
        prefix = f"?prefix={_below(words['prefix'])}" if words.get("prefix") else ""
        return Permission(f"s3:{ON_BUCKETS[name]}", f"{bucket}{prefix}")
    # Its action may be called otherwise: whoever reads this adds it to the tables above.
    return Permission(f"s3:{name}?", bucket)


def _below(key: str) -> str:
    folder, slash, _ = key.partition("/")
    return f"{folder}/*" if slash else folder


def _states(operation: Operation, names: Names) -> Iterator[Permission]:
    given = operation.parameters
    resource = ANYTHING  # answers to tasks name a token, and lists nothing
    if given.stateMachineArn:
        resource = f"state-machine/{names.logical(given.stateMachineArn.rpartition(':')[2])}"
    elif given.executionArn:
        machine = given.executionArn.rpartition(":")[0].rpartition(":")[2]
        resource = f"execution/{names.logical(machine)}/*"
    elif operation.name == "CreateStateMachine":
        resource = "state-machine/*"
    yield Permission(f"states:{operation.name}", resource)
    yield from _passed_roles([given.roleArn], names)


def _sagemaker(operation: Operation, names: Names) -> Iterator[Permission]:
    given = operation.parameters
    resources = list(_in_sagemaker(operation, names))
    for resource in resources or [ANYTHING]:
        yield Permission(f"sagemaker:{operation.name}", resource)
        if given.Tags:
            yield Permission("sagemaker:AddTags", resource)
    yield from _passed_roles([given.RoleArn, given.ExecutionRoleArn], names)


def _in_sagemaker(operation: Operation, names: Names) -> Iterator[str]:
    given = operation.parameters
    name_by_kind = {
        "endpoint": given.EndpointName or operation.words.get("EndpointName", ""),
        "endpoint-config": given.EndpointConfigName,
        "model": given.ModelName,
        "training-job": given.TrainingJobName,
    }
    for pattern, kinds in SAGEMAKER:
        if pattern.fullmatch(operation.name):
            for kind in kinds:
                yield f"{kind}/{names.any_of(name_by_kind[kind])}"


def _passed_roles(arns: Sequence[str], names: Names) -> Iterator[Permission]:
    for arn in arns:
        if arn:
            yield Permission("iam:PassRole", f"role/{names.logical(arn.rpartition('/')[2])}")
