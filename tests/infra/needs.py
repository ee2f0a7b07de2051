"""What a deployment's roles need, since the commands were seen to call it on the embedded stack."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from penstock.resources import STATE_MACHINE, physical_name
from penstock_local.api_calls.recorder import ApiCall

from tests.infra.arns import ACCOUNT, REGION
from tests.infra.grants import Grant, matches

SOME = "any-1"
"""Stands for what users name: a grant covers it by a star or not at all."""

# What each service asks KMS in the caller's name where the thing is encrypted with a customer key:
# the developer guides of SQS and SNS ("key management"), S3 ("SSE-KMS permissions"), DynamoDB
# ("authorizing use of your customer managed key"), Secrets Manager ("encryption and decryption").
_IN_THE_CALLERS_NAME = {
    "sqs:SendMessage": ("GenerateDataKey", "Decrypt"),
    "sqs:ReceiveMessage": ("Decrypt",),
    "sns:Publish": ("GenerateDataKey", "Decrypt"),
    "s3:GetObject": ("Decrypt",),
    "s3:PutObject": ("GenerateDataKey", "Decrypt"),
    "secretsmanager:GetSecretValue": ("Decrypt",),
}
_OF_TABLES = (
    "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "DescribeKey",
)  # fmt: skip

_HERE = f"{REGION}:{ACCOUNT}"
_PATTERNS = {
    "*": "*",
    "queue": f"arn:aws:sqs:{_HERE}:{{}}",
    "topic": f"arn:aws:sns:{_HERE}:{{}}",
    "table": f"arn:aws:dynamodb:{_HERE}:table/{{}}",
    "bucket": "arn:aws:s3:::{}",
    "secret": f"arn:aws:secretsmanager:{_HERE}:secret:{{}}",
    "state-machine": f"arn:aws:states:{_HERE}:stateMachine:{{}}",
    "execution": f"arn:aws:states:{_HERE}:execution:{{}}",
    **{
        kind: f"arn:aws:sagemaker:{_HERE}:{kind}/{{}}"
        for kind in ("endpoint", "endpoint-config", "model", "training-job")
    },
}
"""ARN by the kind of a recorded resource."""

# A token names no machine, and the Service Authorization Reference no resource; but AWS's own
# refusals name the machine, and CDK's grantTaskResponse grants on it. Not tried in an account.
TASK_ANSWERS = frozenset(
    {"states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"}
)


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """An action on a resource by ARN; `list_prefix` is what a listing names."""

    action: str
    arn: str
    list_prefix: str = ""

    def is_met(self, grants: Iterable[Grant]) -> bool:
        """Whether any of the grants lets it happen."""
        return any(
            grant.allows(self.action, self.arn) and _lets_through(grant, self) for grant in grants
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Where the deployment's things are."""

    prefix: str
    key_arn: str
    passed_role_arn: str
    """The role that the training-orchestrator hands to SageMaker."""

    def need(self, call: ApiCall) -> Need:
        """The need behind a recorded call."""
        resource, _, listed = call.resource.partition("?prefix=")
        if call.action in TASK_ANSWERS:
            resource = f"state-machine/{STATE_MACHINE}"
        return Need(call.action, self._arn(resource), listed.replace("*", SOME))

    def needs(self, calls: Iterable[ApiCall]) -> set[Need]:
        """All needs behind calls, those of the customer key included."""
        made = {self.need(call) for call in calls}
        return made | {Need(f"kms:{one}", self.key_arn) for need in made for one in _keys(need)}

    def short(self, arn: str, list_prefix: str = "") -> str:
        """An ARN as people read it: the same for every deployment, region and account."""
        words = arn.removeprefix("arn:aws:").replace(f":{_HERE}:", ":")
        words = words.replace(f"::{ACCOUNT}:", ":").replace(":::", ":")
        words = words.replace(f"{self.prefix}-", "").replace(self.prefix, "<prefix>")
        words = words.replace(SOME, "*")
        return f"{words}?prefix={list_prefix.replace(SOME, '*')}" if list_prefix else words

    def _arn(self, resource: str) -> str:
        kind, _, name = resource.partition("/")
        if kind == "role":
            return self.passed_role_arn
        pattern = _PATTERNS[kind]
        # Sources' secrets are named by people, below a folder that every deployment has.
        physical = name if kind == "secret" else physical_name(self.prefix, name)
        if kind == "execution":
            physical = physical.replace("/", ":")
        return pattern.format(physical.replace("*", SOME))


def _keys(need: Need) -> Iterator[str]:
    service = need.action.partition(":")[0]
    yield from _OF_TABLES if service == "dynamodb" else _IN_THE_CALLERS_NAME.get(need.action, ())


def _lets_through(grant: Grant, need: Need) -> bool:
    """Whether the conditions of a grant hold for the need: those that nobody looked at do not."""
    for condition in grant.conditions:
        match condition:
            case "StringEquals kms:ViaService" if need.action.startswith("kms:"):
                continue
            case "StringEquals iam:PassedToService" if need.action == "iam:PassRole":
                continue
            case "StringLike s3:prefix" if need.list_prefix:
                if any(matches(pattern, need.list_prefix) for pattern in grant.list_prefixes):
                    continue
        return False
    return True
