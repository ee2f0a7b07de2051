"""Environment of the parts: the one place that says how they are told of each other."""

import json
from collections.abc import Mapping, Sequence

from penstock.command import Command

from penstock_local.addresses import Addresses, aurora_dsn, snowflake_connection
from penstock_local.ports import LOOPBACK

REGION = "eu-west-1"
PREFIX = "penstock"
ADMIN_TOKEN = "penstock-local-admin"  # noqa: S105 - known to everybody, for one machine only

SAGEMAKER_ROLE = "sagemaker"
"""Who the embedded SageMaker is when it acts for a training or a model, as its role does in AWS."""


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a part takes over from us: not another AWS, and no proxy to ourselves."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return kept | {
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }


def aws_variables(endpoint: str) -> dict[str, str]:
    """The standard AWS variables for a stand-in; it takes any credentials."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "penstock",
        "AWS_SECRET_ACCESS_KEY": "penstock",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # No look for a role of this machine, in the cloud or in somebody's home.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


def own_access_key(caller: str) -> dict[str, str]:
    """What tells the stand-ins who calls; see `api_calls`. They take any key."""
    return {"AWS_ACCESS_KEY_ID": caller}


def stack_variables(addresses: Addresses) -> dict[str, str]:
    """What every part, and every client of the stack, needs to know of it."""
    sagemaker, postgres = addresses["sagemaker"].url, addresses["postgres"]
    return aws_variables(addresses["aws"].url) | {
        "AWS_ENDPOINT_URL_SAGEMAKER": sagemaker,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": sagemaker,
        "PENSTOCK_ENVIRONMENT": "local",
        "PENSTOCK_NAME_PREFIX": PREFIX,
        "PENSTOCK_AURORA_DSN": aurora_dsn(postgres.port, host=postgres.host),
        "PENSTOCK_API_TOKENS": json.dumps({ADMIN_TOKEN: "admin"}),
    }


def sources_on_loopback() -> dict[str, str]:
    """What lets sources of history be on this machine, where the plant's is."""
    return {"PENSTOCK_SOURCES_ALLOW_LOOPBACK": "true"}


def sources_within(networks: Sequence[str]) -> dict[str, str]:
    """What lets sources of history be in these networks, and not on this machine."""
    return {"PENSTOCK_SOURCES_PRIVATE_CIDRS": json.dumps(list(networks))}


def service_defaults(command: Command) -> dict[str, str]:
    """What differs here from AWS by taste alone, so that our own environment may say otherwise."""
    # A poll is free here, and a stop waits for the one that is under way.
    variables = {f"{command.settings_prefix}_RECEIVE_WAIT_SECONDS": "2"}
    if command.name == "console":
        variables["CONSOLE_DEAD_LETTER_WAIT_SECONDS"] = "2"
    if command.name == "results-writer":
        # Files and loads cost nothing here either: who watches sees results at once.
        for queue in ("SNOWFLAKE", "LAKE", "ARCHIVE"):
            variables[f"{command.settings_prefix}_BATCHES__{queue}__MAX_AGE_SECONDS"] = "1"
    return variables


def service_variables(
    command: Command, addresses: Addresses, *, listen_on: str = LOOPBACK
) -> dict[str, str]:
    """The settings of one service under its own prefix."""
    prefix = command.settings_prefix
    variables = {
        f"{prefix}_HOST": listen_on,
        f"{prefix}_PORT": str(addresses[command.name].port),
        **own_access_key(command.name),
    }
    if command.uses_aurora:
        postgres = addresses["postgres"]
        variables[f"{prefix}_AURORA__DSN"] = aurora_dsn(postgres.port, host=postgres.host)
    if command.name == "results-writer":
        snowflake = addresses["snowflake"]
        connection = snowflake_connection(snowflake.port, host=snowflake.host)
        for name, value in connection.items():
            variables[f"{prefix}_SNOWFLAKE__{name.upper()}"] = str(value)
        variables[f"{prefix}_SNOWFLAKE__CAN_REMOVE"] = "false"  # fakesnow has no REMOVE
    return variables


def tracing_defaults() -> dict[str, str]:
    """On one machine every trace is recorded, unless our own environment says otherwise."""
    return {"PENSTOCK_TRACES_RATIO": "1"}


def tracing_variables(addresses: Addresses) -> dict[str, str]:
    """Where the services send their spans."""
    return {"PENSTOCK_OTLP_ENDPOINT": addresses["traces"].url}
