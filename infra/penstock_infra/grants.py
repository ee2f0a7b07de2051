"""What a grant is: actions, spelled out, on resources of one kind, by Penstock's names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from penstock.channel import Queue
from penstock.resources import Bucket, Table

Kind = Literal[
    "topic", "queue", "table", "index", "bucket", "objects", "secret", "machine", "execution",
    "endpoint", "endpoint-config", "model", "training-job", "training-log-group", "training-logs",
    "endpoint-logs", "task", "database-user", "repository", "role", "key", "anything",
]  # fmt: skip
"""`objects` is `bucket/key prefix`, `index` is `table/index`, `anything` has no resource in IAM,
`key` is the customer key for volumes that SageMaker makes."""


@dataclass(frozen=True, slots=True)
class Grant:
    """May do `actions` on the named resources of a kind; `*` ends a name that is a prefix."""

    actions: tuple[str, ...]
    kind: Kind
    names: tuple[str, ...]


def consume(*queues: Queue) -> Grant:
    """Read queues to the end of every message."""
    names = tuple(queue.name for queue in queues)
    actions = (
        "sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
    )  # fmt: skip
    return Grant(actions, "queue", names)


def send(*names: str) -> Grant:
    """Send to queues."""
    return Grant(("sqs:GetQueueUrl", "sqs:SendMessage"), "queue", names)


def give_up(*queues: Queue) -> Grant:
    """Send to the dead-letter queues of queues."""
    return send(*(queue.dead_letter_name for queue in queues))


def publish(*names: str) -> Grant:
    """Publish to topics."""
    return Grant(("sns:Publish",), "topic", names)


def items(table: Table, *verbs: str) -> Grant:
    """Use items of a table: Get, Put, Update, Delete (in transactions too), Query or Scan."""
    known = {"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
    actions = tuple(f"dynamodb:{known.get(verb, verb)}" for verb in verbs)
    return Grant(actions, "table", (table.name,))


def index(table: Table, name: str) -> Grant:
    """Query a table in another order."""
    return Grant(("dynamodb:Query",), "index", (f"{table.name}/{name}",))


def objects(bucket: Bucket, verbs_by_folder: Mapping[str, tuple[str, ...]]) -> tuple[Grant, ...]:
    """Use objects below top folders: Get, Put, Delete.

    Without leave to list the whole bucket, S3 says of a missing object that it is forbidden.
    """
    return (
        Grant(("s3:ListBucket",), "bucket", (bucket.name,)),
        *(
            Grant(
                tuple(f"s3:{verb}Object" for verb in verbs), "objects", (f"{bucket.name}/{top}/*",)
            )
            for top, verbs in verbs_by_folder.items()
        ),
    )


TASK_ANSWERS = Grant(
    ("states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"),
    "machine", ("training",),
)  # fmt: skip
START_TRAINING = (
    Grant(("states:StartExecution",), "machine", ("training",)),
    Grant(("states:DescribeExecution",), "execution", ("training",)),
)
ENTER_AURORA = Grant(("rds-db:connect",), "database-user", ("penstock_service",))
SPARE_TASK = Grant(("ecs:UpdateTaskProtection",), "task", ("*",))
ENCRYPT_VOLUMES = Grant(("kms:CreateGrant", "kms:DescribeKey"), "key", ("volumes",))
"""SageMaker makes disks under the key in the name of whoever starts a training or an endpoint."""
