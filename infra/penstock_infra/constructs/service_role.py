"""Roles that services of AWS take on for us, their statements written inside."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

_SAY_FOR_WHOM = frozenset({"glue", "iot", "pipes"})
"""Services that say for which account they act; nobody else's resource borrows such a role."""


def service_role(
    scope: Construct,
    construct_id: str,
    *,
    name: str,
    service: str,
    statements: Sequence[iam.PolicyStatement],
) -> iam.Role:
    """Make a role for a service; it can do nothing but its statements."""
    conditions = (
        {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}} if service in _SAY_FOR_WHOM else {}
    )
    return iam.Role(
        scope,
        construct_id,
        role_name=name,
        assumed_by=iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=conditions),
        inline_policies={"statements": iam.PolicyDocument(statements=list(statements))},
    )
