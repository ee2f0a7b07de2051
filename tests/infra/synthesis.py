"""Makes templates as `cdk synth` does, and shows them as plain JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock_infra.node import use_node

use_node()

from aws_cdk.assertions import Template  # noqa: E402 -- after Node is found
from penstock_infra.app import Stacks, add_stacks, new_app  # noqa: E402
from penstock_infra.config import Deployment, load  # noqa: E402

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c"


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A deployment's stacks with their templates, as CDK sees them and as plain JSON."""

    deployment: Deployment
    stacks: Stacks
    data: Template
    services: Template
    folder: Path
    documents: Mapping[str, Any] = field(default_factory=dict)

    def resources(self, kind: str) -> dict[str, Any]:
        """All resources of a type in both stacks, by logical id."""
        return {
            logical_id: resource
            for document in self.documents.values()
            for logical_id, resource in document.get("Resources", {}).items()
            if resource["Type"] == kind
        }


def make_deployment(name: str = "prod", **overrides: Any) -> Deployment:
    """A deployment of the repository's files, single keys replaced."""
    return load(name, {"certificate_arn": CERTIFICATE, **overrides})


def synthesize(deployment: Deployment, folder: Path, region: str | None = None) -> Synthesized:
    """Write a deployment's templates."""
    app = new_app(str(folder))
    stacks = add_stacks(app, deployment, region=region)
    assembly = app.synth()
    documents = {
        stack.stack_name: assembly.get_stack_by_name(stack.stack_name).template
        for stack in (stacks.data, stacks.services)
    }
    return Synthesized(
        deployment=deployment,
        stacks=stacks,
        data=Template.from_stack(stacks.data),
        services=Template.from_stack(stacks.services),
        folder=folder,
        documents=documents,
    )
