"""Findings of cdk-nag's AwsSolutions that are meant, each with its resource and the reason.

`make infra-check` compares the list with what cdk-nag finds: a finding that is not here fails it,
and so does a line here that nothing needs any more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from penstock.resources import COMMANDS, TOPICS

from penstock_infra.config import MIGRATIONS
from penstock_infra.grants import Grant, Kind
from penstock_infra.permissions import GRANTS, SAGEMAKER_GRANTS


@dataclass(frozen=True, slots=True)
class Suppression:
    """One rule on one resource; `path` begins with the stack, `data` or `services`."""

    path: str
    rule: str
    reason: str


_NO_RESOURCES = "IAM knows no resource for these actions; each is listed in tests/infra"
_HERE: Mapping[Kind, str] = {
    "objects": "s3:::{prefix}-{name}",
    "secret": "secretsmanager:{here}:secret:penstock/{name}",
    "execution": "states:{here}:execution:{prefix}-{name}:*",
    "endpoint": "sagemaker:{here}:endpoint/{prefix}-{name}",
    "endpoint-config": "sagemaker:{here}:endpoint-config/{prefix}-{name}",
    "model": "sagemaker:{here}:model/{prefix}-{name}",
    "training-job": "sagemaker:{here}:training-job/{prefix}-{name}",
    "training-log-group": "logs:{here}:log-group:/aws/sagemaker/{name}:*",
    "training-logs": "logs:{here}:log-group:/aws/sagemaker/TrainingJobs:log-stream:{prefix}-{name}",
    "endpoint-logs": "logs:{here}:log-group:/aws/sagemaker/Endpoints/{prefix}-{name}:*",
    "task": "ecs:{here}:task/{prefix}/{name}",
    "repository": "ecr:{here}:repository/{prefix}/{name}",
}
"""How cdk-nag shows a resource with a wildcard, by its kind."""
_WHY: Mapping[Kind, str] = {
    "objects": "keys are made at run time; the bucket is this deployment's alone",
    "secret": "sources are added at run time by an admin; their secrets stay below one folder",
    "execution": "executions are named after jobs; the state machine is this deployment's",
    "endpoint": "endpoints are made at run time, all under the deployment's prefix",
    "endpoint-config": "configurations are made at run time, all under the deployment's prefix",
    "model": "models are made at run time, all under the deployment's prefix",
    "training-job": "trainings are made at run time, all under the deployment's prefix",
    "training-log-group": "SageMaker keeps all trainings of an account in one group",
    "training-logs": "streams are named after trainings, all under the deployment's prefix",
    "endpoint-logs": "groups are named after endpoints, all under the deployment's prefix",
    "task": "a task learns its own id only when it runs; the cluster is this deployment's",
    "repository": "one repository for each algorithm, all under the deployment's prefix",
}


def suppressions(prefix: str) -> list[Suppression]:
    """Every finding that is meant, for a deployment with all of its parts."""
    return [*_data(), *_tasks(prefix), *_others(prefix)]


def _data() -> Iterator[Suppression]:
    yield Suppression(
        "data/firewalls/load-balancer/Resource",
        "AwsSolutions-EC23",
        "gateways and people come from anywhere, to port 443 and through WAF; see allowed_cidrs",
    )
    yield Suppression(
        "data/AWS679f53fac002430cb0da5b7982bd2287/ServiceRole/Resource",
        "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
        "AWSLambdaBasicExecutionRole]",
        "CDK's own function, which runs in a deployment only, writes its log by this policy",
    )
    for service in ("s3", "dynamodb"):
        yield _nothing_narrower(
            f"data/firewalls/prefix-lists/{service}/CustomResourcePolicy/Resource"
        )
    yield _nothing_narrower("data/network/flow-role/DefaultPolicy/Resource")
    for topic in TOPICS:
        for queue in topic.subscribers:
            yield Suppression(
                f"data/channels/{topic.subscription_dead_letter_name(queue)}/Resource",
                "AwsSolutions-SQS3",
                "it is the dead-letter queue of a subscription, which the rule does not look at",
            )
    for name, how in (
        ("snowflake", "the key pair is changed with an overlap in Snowflake, by hand"),
        ("api-tokens", "people hold the tokens; they are changed with an overlap, by hand"),
    ):
        yield Suppression(f"data/secrets/{name}/Resource", "AwsSolutions-SMG4", how)


def _tasks(prefix: str) -> Iterator[Suppression]:
    for command in COMMANDS:
        name = command.name
        policy = f"services/{name}/task-role/DefaultPolicy/Resource"
        yield from _plain_variables(name)
        yield _nothing_narrower(f"services/{name}/execution-role/DefaultPolicy/Resource")
        yield _nothing_narrower(policy)  # traces of the collector beside it
        yield Suppression(
            policy,
            f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:<AWS::Region>:"
            f"<AWS::AccountId>:log-group:/penstock/{prefix}/metrics:*]",
            "streams of one log group, named after tasks",
        )
        yield from _wildcards(policy, GRANTS[name], prefix)
    yield from _plain_variables(MIGRATIONS, stack="data")
    yield _nothing_narrower(f"data/{MIGRATIONS}/execution-role/DefaultPolicy/Resource")


def _others(prefix: str) -> Iterator[Suppression]:
    role = "services/sagemaker-role/DefaultPolicy/Resource"
    yield _nothing_narrower(role)
    yield from _wildcards(role, SAGEMAKER_GRANTS, prefix)
    yield _nothing_narrower("services/training/role/DefaultPolicy/Resource")
    yield Suppression(
        "services/users/pool/Resource",
        "AwsSolutions-COG8",
        "threat protection is paid per user; sign-in asks for a second factor in any case",
    )


def _nothing_narrower(path: str) -> Suppression:
    return Suppression(path, "AwsSolutions-IAM5[Resource::*]", _NO_RESOURCES)


def _plain_variables(name: str, *, stack: str = "services") -> Iterator[Suppression]:
    yield Suppression(
        f"{stack}/{name}/task/Resource",
        "AwsSolutions-ECS2",
        "plain variables name places and sizes; what is secret comes from Secrets Manager",
    )


def _wildcards(path: str, grants: tuple[Grant, ...], prefix: str) -> Iterator[Suppression]:
    found: dict[str, Suppression] = {}
    for grant in grants:
        pattern = _HERE.get(grant.kind)
        for name in grant.names if pattern else ():
            text = str(pattern).format(
                here="<AWS::Region>:<AWS::AccountId>", prefix=prefix, name=name
            )
            rule = f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:{text}]"
            found[rule] = Suppression(path, rule, _WHY[grant.kind])
    yield from found.values()
