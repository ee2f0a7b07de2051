"""Makes templates as `cdk synth` does, and shows them as plain JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_infra.node import use_node

use_node()

from aws_cdk import Validations  # noqa: E402 -- after Node is found
from cdk_nag import AwsSolutionsChecks  # noqa: E402
from penstock_infra.app import Stacks, add_stacks, new_app  # noqa: E402
from penstock_infra.config import Deployment, load  # noqa: E402

KEY = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"
BOUNDARY = "arn:aws:iam::111122223333:policy/boundary"
FULL: Mapping[str, Any] = {
    "network": {
        "vpc_id": "vpc-0123abcd",
        "cidr": "10.9.0.0/16",
        "availability_zones": ["a", "b", "c"],
        "private_subnets": ["subnet-0a1", "subnet-0b2", "subnet-0c3"],
        "public_subnets": ["subnet-1a1", "subnet-1b2", "subnet-1c3"],
        "private_route_tables": ["rtb-0a1", "rtb-0b2", "rtb-0c3"],
    },
    "egress": "proxy",
    "proxy_url": "http://proxy.acme.example:3128",
    "proxy_cidr": "10.9.0.0/24",
    "key_arn": KEY,
    "permissions_boundary_arn": BOUNDARY,
    "domain_name": "penstock.acme.example",
    "snowflake": {"account": "acme-eu", "user": "PENSTOCK", "warehouse": "LOADING"},
    "readers": [
        {
            "name": "plant-one",
            "principal_arns": ["arn:aws:iam::111122223333:role/analysts"],
            "lake": ["predictions/"],
        }
    ],
    "github_repository": "acme/plants",
    "private_source_cidrs": ["10.20.0.0/16"],
}
"""What an account may bring of its own, all of it at once."""
CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c"


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A deployment's stacks with their templates; `documents` are these, by `data`, `services`."""

    deployment: Deployment
    stacks: Stacks
    folder: Path
    documents: Mapping[str, Any]

    def resources(self, kind: str) -> dict[str, Any]:
        """All resources of a type in both stacks, by logical id."""
        return {
            logical_id: resource
            for document in self.documents.values()
            for logical_id, resource in document["Resources"].items()
            if resource["Type"] == kind
        }

    def template(self, stack: str) -> Path:
        """Where a stack's template was written."""
        return self.folder / f"{self.deployment.name_prefix}-{stack}.template.json"

    def findings(self) -> set[tuple[str, str]]:
        """What cdk-nag found: path of the resource from its stack's name, and rule."""
        report = json.loads((self.folder / "validation-report.json").read_text())
        return {
            (violating["constructPath"].removeprefix(f"{self.deployment.name_prefix}-"), rule)
            for plugin in report["pluginReports"]
            for violation in plugin["violations"]
            for violating in violation["violatingConstructs"]
            for rule in (violation["ruleName"],)
        }


def make_deployment(name: str = "prod", **overrides: Any) -> Deployment:
    """A deployment of the repository's files, single keys replaced."""
    return load(name, {"certificate_arn": CERTIFICATE, **overrides})


def synthesize(
    deployment: Deployment, folder: Path, *, region: str | None = None, with_nag: bool = False
) -> Synthesized:
    """Write a deployment's templates; with cdk-nag, what it finds is told and stops nothing."""
    app = new_app(str(folder))
    stacks = add_stacks(app, deployment, region=region)
    if with_nag:
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        if not with_nag or "ValidationFailed" not in str(error):
            raise
    documents = {
        stack: json.loads((folder / f"{deployment.name_prefix}-{stack}.template.json").read_text())
        for stack in ("data", "services")
    }
    return Synthesized(deployment, stacks, folder, documents)
