"""What each command may do, statement by statement; nothing else grants a command anything.

Which calls these are is not guessed: tests/infra holds this list against the calls that each
command was seen to make (`make record-calls`), both ways.
"""

from collections.abc import Mapping

from penstock.channel import Queue
from penstock.resources import (
    ARCHIVE,
    AUDIT,
    COMMANDS,
    DATASETS,
    DEAD_LETTER_QUEUES,
    DEAD_LETTERS,
    DISCOVERED_TAGS,
    GATEWAYS,
    IDEMPOTENCY,
    JOBS,
    LAKE,
    LATEST,
    LEASES,
    LEDGER,
    MODELS,
    SLICES,
    SOURCES,
    STATE,
    STEPS,
    TRAINING,
)

from penstock_infra.grants import (
    ENCRYPT_VOLUMES,
    ENTER_AURORA,
    SPARE_TASK,
    START_TRAINING,
    TASK_ANSWERS,
    Grant,
    consume,
    give_up,
    index,
    items,
    objects,
    publish,
    send,
)

_CONSUMES: Mapping[str, tuple[Queue, ...]] = {one.name: one.consumes for one in COMMANDS}

_INGEST_API = (
    publish("readings"),
    # Its readiness asks whether the topic is there.
    Grant(("sns:GetTopicAttributes",), "topic", ("readings",)),
    items(GATEWAYS, "Get", "Scan", "Update"),
    items(IDEMPOTENCY, "Get", "Put"),
)

_INFERENCE_WORKER = (
    consume(*_CONSUMES["inference-worker"]),
    give_up(*_CONSUMES["inference-worker"]),
    send("deferred", "corrections"),
    publish("predictions"),
    items(STATE, "Get", "Put"),
    items(MODELS, "Scan"),
    items(LEDGER, "Get", "Put"),
    *objects(ARCHIVE, {"readings": ("Get",)}),
    Grant(("sagemaker:InvokeEndpoint",), "endpoint", ("*",)),
    ENTER_AURORA,
)

_RESULTS_WRITER = (
    consume(*_CONSUMES["results-writer"]),
    give_up(*_CONSUMES["results-writer"]),
    items(LEDGER, "Get", "Put"),
    items(LATEST, "Get", "Put"),
    items(DISCOVERED_TAGS, "Put", "Update"),
    items(LEASES, "Put", "Delete"),
    *objects(LAKE, {"predictions": ("Put",), "probes": ("Get",)}),
    *objects(
        ARCHIVE,
        {"readings": ("Put",), "sequences": ("Put",), "quarantine": ("Put",), "probes": ("Get",)},
    ),
    ENTER_AURORA,
)

_SAGEMAKER = (
    Grant(
        (
            "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob", "sagemaker:AddTags",
        ),
        "training-job", ("*",),
    ),
    Grant(
        ("sagemaker:CreateModel", "sagemaker:DescribeModel", "sagemaker:DeleteModel"),
        "model", ("*",),
    ),
    Grant(
        (
            "sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig",
            "sagemaker:DeleteEndpointConfig",
        ),
        "endpoint-config", ("*",),
    ),
    # Making an endpoint is allowed on its configuration too.
    Grant(("sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"), "endpoint-config", ("*",)),
    Grant(
        (
            "sagemaker:CreateEndpoint", "sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpoint",
            "sagemaker:DeleteEndpoint", "sagemaker:InvokeEndpoint",
        ),
        "endpoint", ("*",),
    ),
    Grant(("iam:PassRole",), "role", ("sagemaker",)),
    ENCRYPT_VOLUMES,
    Grant(("logs:DescribeLogStreams",), "training-log-group", ("TrainingJobs",)),
    Grant(("logs:GetLogEvents",), "training-logs", ("*",)),
)  # fmt: skip

_TRAINING_ORCHESTRATOR = (
    consume(*_CONSUMES["training-orchestrator"]),
    give_up(*_CONSUMES["training-orchestrator"]),
    send("commands", "slices"),
    *START_TRAINING,
    TASK_ANSWERS,
    items(JOBS, "Get", "Put", "Update"),
    index(JOBS, "by-creation"),
    items(SLICES, "Put", "Update", "Query"),
    items(STEPS, "Put", "Query"),
    items(DATASETS, "Get", "Put"),
    items(MODELS, "Get", "Put", "Update", "Query", "Scan"),
    items(SOURCES, "Get"),
    items(LEASES, "Get", "Put", "Update", "Delete"),
    items(IDEMPOTENCY, "Get", "Put"),
    items(AUDIT, "Put"),
    *objects(TRAINING, {"datasets": ("Get",), "evaluations": ("Get", "Put")}),
    *_SAGEMAKER,
)

_TRAINING_FETCHER = (
    consume(*_CONSUMES["training-fetcher"]),
    give_up(*_CONSUMES["training-fetcher"]),
    send("slices"),
    *START_TRAINING,
    items(SOURCES, "Get"),
    items(JOBS, "Get", "Update"),
    items(SLICES, "Get", "Put", "Update", "Query"),
    items(STEPS, "Put"),
    items(LEASES, "Get", "Put"),
    *objects(TRAINING, {"raw": ("Get", "Put", "Delete")}),
    Grant(("secretsmanager:GetSecretValue",), "secret", ("sources/*",)),
)

_TRAINING_PREPARER = (
    consume(*_CONSUMES["training-preparer"]),
    give_up(*_CONSUMES["training-preparer"]),
    TASK_ANSWERS,
    SPARE_TASK,
    items(JOBS, "Get"),
    items(SLICES, "Query"),
    items(DATASETS, "Get", "Update"),
    items(SOURCES, "Get"),
    *objects(TRAINING, {"raw": ("Get",), "datasets": ("Get", "Put")}),
)

_CONSOLE = (
    Grant(consume().actions, "queue", DEAD_LETTER_QUEUES),
    items(GATEWAYS, "Get", "Put", "Update", "Delete", "Scan"),
    items(SOURCES, "Get", "Put", "Scan"),
    items(MODELS, "Get"),
    items(DEAD_LETTERS, "Get", "Put", "Scan"),
    index(DEAD_LETTERS, "by-queue"),
    items(AUDIT, "Put", "Query"),
    items(DISCOVERED_TAGS, "Delete", "Query", "Scan"),
    items(LATEST, "Delete", "Query", "Scan"),
    *objects(ARCHIVE, {"dead-letters": ("Get", "Put"), "quarantine": ("Get",)}),
    ENTER_AURORA,
)

GRANTS: Mapping[str, tuple[Grant, ...]] = {
    "ingest-api": _INGEST_API,
    "inference-worker": _INFERENCE_WORKER,
    "results-writer": _RESULTS_WRITER,
    "training-orchestrator": _TRAINING_ORCHESTRATOR,
    "training-fetcher": _TRAINING_FETCHER,
    "training-preparer": _TRAINING_PREPARER,
    "console": _CONSOLE,
}
"""Grants by command: those of its task's role."""

STATE_MACHINE_GRANTS: tuple[Grant, ...] = (
    items(JOBS, "Get", "Update"),
    Grant(("sqs:SendMessage",), "queue", ("commands", "prepare")),
)
"""What the state machine does itself; everything else it asks of commands."""

SAGEMAKER_GRANTS: tuple[Grant, ...] = (
    ENCRYPT_VOLUMES,
    *objects(TRAINING, {"datasets": ("Get",), "models": ("Get", "Put")}),
    Grant(
        ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        "repository", ("algorithm-*",),
    ),
    Grant(("ecr:GetAuthorizationToken",), "anything", ()),
    Grant(("logs:CreateLogGroup", "logs:DescribeLogStreams"), "training-log-group", ("*",)),
    Grant(("logs:CreateLogStream", "logs:PutLogEvents"), "training-logs", ("*",)),
    Grant(("logs:CreateLogStream", "logs:PutLogEvents"), "endpoint-logs", ("*",)),
    Grant(("cloudwatch:PutMetricData",), "anything", ()),
)  # fmt: skip
"""What trainings and models may do while they run."""
