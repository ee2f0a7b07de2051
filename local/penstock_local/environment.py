"""Environment of the parts: the one place that says how they are told of each other."""

from collections.abc import Mapping

REGION = "eu-west-1"
PREFIX = "penstock"


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


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a part takes over from us: not another AWS, and no proxy to ourselves."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return kept | {
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }
