"""Creates the state machine of training jobs from the definition that its service ships."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from penstock import resources
from penstock.resources import physical_name

from penstock_local.aws_resources import client

# The stand-in asks for one and takes any.
_ROLE = "arn:aws:iam::000000000000:role/penstock-training"
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def find_definition() -> Path | None:
    """Return where the installed service keeps its definition; it is read, never imported."""
    package = find_spec("training_orchestrator")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).with_name("state_machine.asl.json")
    return path if path.exists() else None


def names_for(prefix: str, queue_urls: Mapping[str, str]) -> dict[str, str]:
    """Return what a definition may name: each `<table>_table` and `<queue>_queue_url`."""
    tables = {
        f"{table.name.replace('-', '_')}_table": physical_name(prefix, table.name)
        for table in resources.TABLES
    }
    queues = {
        f"{queue.name.replace('-', '_')}_queue_url": queue_urls[physical_name(prefix, queue.name)]
        for queue in resources.QUEUES
    }
    return tables | queues


def render(definition: str, names: Mapping[str, str]) -> str:
    """Fill in the `${...}` of a definition; raise KeyError for one that nobody knows."""
    return _PLACEHOLDER.sub(lambda found: names[found.group(1)], definition)


def create(prefix: str, definition: str) -> bool:
    """Create the state machine or give it this definition; say whether it is new."""
    states = client("stepfunctions")
    name = physical_name(prefix, resources.STATE_MACHINE)
    for page in states.get_paginator("list_state_machines").paginate():
        for machine in page["stateMachines"]:
            if machine["name"] == name:
                arn = machine["stateMachineArn"]
                states.update_state_machine(stateMachineArn=arn, definition=definition)
                return False
    states.create_state_machine(name=name, definition=definition, roleArn=_ROLE)
    return True
