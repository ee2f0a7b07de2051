"""The CDK application: two stacks of one deployment."""

from dataclasses import dataclass

from aws_cdk import App, Environment, Tags
from aws_cdk import aws_iam as iam

from penstock_infra.config import Deployment, load
from penstock_infra.data_stack import DataStack
from penstock_infra.services_stack import ServicesStack

_CONTEXT = ("certificate_arn", "domain_name", "image_tag", "key_arn", "permissions_boundary_arn")
"""What `cdk -c name=value` may say in place of the deployment's file."""


_FLAGS = {
    # Logs of access are let in by the bucket's policy, not by an access list.
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/aws-ecs:arnFormatIncludesClusterName": True,
    "@aws-cdk/aws-rds:lowercaseDbIdentifier": True,
    "@aws-cdk/customresources:installLatestAwsSdkDefault": False,
    "@aws-cdk/aws-lambda:useCdkManagedLogGroup": False,
}
"""Behaviour of CDK that newer projects have; not in cdk.json, so that tests have it too."""


@dataclass(frozen=True, slots=True)
class Stacks:
    """Both stacks of a deployment."""

    data: DataStack
    services: ServicesStack


def new_app(outdir: str | None = None) -> App:
    """Make an application with the flags that all templates are made with."""
    return App(outdir=outdir, context=_FLAGS)


def add_stacks(app: App, deployment: Deployment, *, region: str | None = None) -> Stacks:
    """Add both stacks; without a region one template fits all of them."""
    env = Environment(region=region) if region else None
    prefix = deployment.name_prefix
    data = DataStack(app, f"{prefix}-data", deployment=deployment, env=env)
    services = ServicesStack(app, f"{prefix}-services", deployment=deployment, data=data, env=env)
    if deployment.permissions_boundary_arn is not None:
        boundary = iam.ManagedPolicy.from_managed_policy_arn(
            data, "boundary", deployment.permissions_boundary_arn
        )
        iam.PermissionsBoundary.of(app).apply(boundary)
    Tags.of(app).add("penstock:deployment", prefix)
    Tags.of(app).add("penstock:environment", deployment.environment)
    return Stacks(data, services)


def synthesize() -> None:
    """Write the templates of `-c deployment=<name>`, by default dev."""
    app = new_app()
    context = {name: app.node.try_get_context(name) for name in _CONTEXT}
    overrides = {name: value for name, value in context.items() if value is not None}
    name = app.node.try_get_context("deployment") or "dev"
    add_stacks(app, load(name, overrides))
    app.synth()
