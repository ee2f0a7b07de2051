"""Roles whose statements are all written out here: CDK's own grants never reach them."""

from collections.abc import Iterable, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from penstock_infra.arns import Names, statements
from penstock_infra.grants import Grant


def role(
    scope: Construct,
    construct_id: str,
    *,
    principal: iam.IPrincipal,
    description: str,
    written: Iterable[iam.PolicyStatement],
) -> iam.IRole:
    """Make a role with these statements and no others, ever."""
    made = iam.Role(scope, construct_id, assumed_by=principal, description=description)
    for statement in written:
        made.add_to_policy(statement)
    return made.without_policy_updates()


def granted_role(
    scope: Construct,
    construct_id: str,
    *,
    principal: iam.IPrincipal,
    description: str,
    grants: Sequence[Grant],
    names: Names,
    key_arn: str,
    more: Iterable[iam.PolicyStatement] = (),
) -> iam.IRole:
    """Make a role of grants, with the use of the customer key that they need."""
    written = [*statements(grants, names, key_arn), *more]
    return role(scope, construct_id, principal=principal, description=description, written=written)
