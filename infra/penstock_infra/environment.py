"""Environment of the tasks: names and forms are those of the services' Settings classes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Aws
from penstock.command import Command

from penstock_infra.config import Deployment
from penstock_infra.constructs.collector import TRACES_ADDRESS
from penstock_infra.sizes import least_tasks

EVERYWHERE = "0.0.0.0"  # noqa: S104 -- in a task of its own, behind its security group
USER = "10001:10001"
"""Whom the images run as."""
WORK_FOLDER = "/tmp"  # noqa: S108 -- a volume of the task: its root cannot be written
ASKED_BY_PEOPLE = frozenset({"console", "training-orchestrator", "results-writer"})
"""Commands whose routes ask for a person's token."""
_AFTER_DRAIN_SECONDS = 15
"""What a stop takes beside the drain: a long poll of 10 s, and closing down."""
_PREPARER_SHARE = 0.6
"""Of a task's memory for DuckDB; the rest is for pages on their way and the process itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What only the stacks know."""

    aurora_dsn: str
    sagemaker_role_arn: str
    key_arn: str
    algorithm_images: Mapping[str, str]
    issuer: str
    """Who signs the tokens of people."""
    audience: str


def variables(command: Command, deployment: Deployment, facts: Facts) -> dict[str, str]:
    """Everything that a command is told and that is no secret."""
    prefix = command.settings_prefix
    told = {
        "AWS_REGION": Aws.REGION,
        "PENSTOCK_ACCOUNT": Aws.ACCOUNT_ID,
        "PENSTOCK_ENVIRONMENT": deployment.environment,
        "PENSTOCK_NAME_PREFIX": deployment.name_prefix,
        f"{prefix}_HOST": EVERYWHERE,
        f"{prefix}_PORT": str(command.port),
        f"{prefix}_DRAIN_SECONDS": str(command.stop_seconds - _AFTER_DRAIN_SECONDS),
    }
    if command.name in ASKED_BY_PEOPLE:
        told["PENSTOCK_OIDC__ISSUER"] = facts.issuer
        told["PENSTOCK_OIDC__AUDIENCE"] = facts.audience
    if deployment.traces:
        told["OTEL_EXPORTER_OTLP_ENDPOINT"] = TRACES_ADDRESS
    if command.uses_aurora:
        told[f"{prefix}_AURORA__DSN"] = facts.aurora_dsn
        told[f"{prefix}_AURORA__IAM"] = "true"
        told[f"{prefix}_AURORA__ROOT_CERTIFICATE"] = deployment.aurora.root_certificate
    if command.reaches_out:
        told |= _way_out(command, deployment)
    return told | _of_command(command, deployment, facts)


def _of_command(command: Command, deployment: Deployment, facts: Facts) -> dict[str, str]:
    match command.name:
        case "ingest-api":
            # Tasks share a gateway's quota; those that scaling adds make it looser, never tighter:
            # a gateway whose connection stays with one task would be refused readings it may send.
            share = 1 / least_tasks(command, deployment)
            return {"INGEST_API_GATEWAYS__QUOTA_SHARE": f"{share:.3f}"}
        case "training-orchestrator":
            return {
                "TRAINING_ORCHESTRATOR_ROLE_ARN": facts.sagemaker_role_arn,
                "TRAINING_ORCHESTRATOR_VOLUME_KEY_ARN": facts.key_arn,
                "TRAINING_ORCHESTRATOR_MANAGE_STATE_MACHINE": "false",
                "TRAINING_ORCHESTRATOR_IMAGES": json.dumps(dict(facts.algorithm_images)),
            }
        case "training-fetcher":
            return {
                "PENSTOCK_SOURCES_PRIVATE_CIDRS": json.dumps(list(deployment.private_source_cidrs))
            }
        case "training-preparer":
            memory = int(command.memory_mib * _PREPARER_SHARE)
            return {
                "TRAINING_PREPARER_MEMORY_MB": str(memory),
                "TRAINING_PREPARER_WORK_DIR": WORK_FOLDER,
            }
        case "console":
            # It waits for all dead-letter queues at once; 20 s would leave no time to stop in.
            return {"CONSOLE_DEAD_LETTER_WAIT_SECONDS": "10"}
        case "results-writer":
            return _sinks(deployment)
        case _:
            return {}


def _sinks(deployment: Deployment) -> dict[str, str]:
    snowflake = deployment.snowflake
    if snowflake is None:
        return {"RESULTS_WRITER_SINKS": "aurora,lake,latest"}
    told = {
        f"RESULTS_WRITER_SNOWFLAKE__{name.upper()}": str(value)
        for name, value in snowflake.model_dump(exclude_none=True).items()
    }
    return {"RESULTS_WRITER_SINKS": "aurora,snowflake,lake,latest", **told}


def _way_out(command: Command, deployment: Deployment) -> dict[str, str]:
    if deployment.egress != "proxy":
        return {}
    if command.name == "training-fetcher":
        # It checks addresses by itself, and would not obey a variable that knows names only.
        return {"PENSTOCK_SOURCES_PROXY": str(deployment.proxy_url)}
    # AWS is reached by endpoints in the VPC, and a task's credentials by a link-local address.
    inside = ["localhost", "127.0.0.1", "169.254.170.2", f".{Aws.URL_SUFFIX}"]
    return {"HTTPS_PROXY": str(deployment.proxy_url), "NO_PROXY": ",".join(inside)}


def secret_variables(command: Command, deployment: Deployment) -> dict[str, tuple[str, str | None]]:
    """Which secret each secret variable is, and which key of its JSON, by the variable's name."""
    told: dict[str, tuple[str, str | None]] = {}
    if command.name in ASKED_BY_PEOPLE:
        told["PENSTOCK_API_TOKENS"] = ("api-tokens", None)
    if command.name == "results-writer" and deployment.snowflake is not None:
        for key in ("private_key", "private_key_passphrase"):
            told[f"RESULTS_WRITER_SNOWFLAKE__{key.upper()}"] = ("snowflake", key)
    return told
