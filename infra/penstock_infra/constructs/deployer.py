"""The role that a repository on GitHub deploys with, by OIDC federation: no key is stored there."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from penstock_infra.arns import Names
from penstock_infra.config import Deployment
from penstock_infra.constructs.roles import role

PROVIDER = "token.actions.githubusercontent.com"
_BOOTSTRAP_ROLES = "cdk-*-{kind}-role-{account}-{region}"
_PUSH = (
    "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
)  # fmt: skip


class Deployer(Construct):
    """Pushes images, deploys through CDK's own roles, runs the migrations, reads the outputs."""

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, names: Names
    ) -> None:
        """Create the role for the environment of the deployment's name in the repository.

        The account's OIDC provider must exist: there can be only one for all of its projects.
        """
        super().__init__(scope, name)
        subject = f"repo:{deployment.github_repository}:environment:{deployment.environment}"
        provider = f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:oidc-provider/{PROVIDER}"
        self.role = role(
            self,
            "role",
            principal=iam.WebIdentityPrincipal(
                provider,
                {
                    "StringEquals": {
                        f"{PROVIDER}:aud": "sts.amazonaws.com",
                        f"{PROVIDER}:sub": subject,
                    }
                },
            ),
            description=f"Deploys {deployment.name_prefix} from {deployment.github_repository}",
            written=_written(names),
        )


def _written(names: Names) -> list[iam.PolicyStatement]:
    account = f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/"
    bootstrap = [
        account + _BOOTSTRAP_ROLES.format(kind=kind, account=Aws.ACCOUNT_ID, region=Aws.REGION)
        for kind in ("deploy", "file-publishing", "lookup")
    ]
    cluster = f"arn:{Aws.PARTITION}:ecs:{Aws.REGION}:{Aws.ACCOUNT_ID}"
    task = f"{cluster}:task-definition/{names.prefix}-migrations:*"
    return [
        iam.PolicyStatement(actions=["sts:AssumeRole"], resources=bootstrap),
        iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(actions=list(_PUSH), resources=names.arns("repository", ["*"])),
        iam.PolicyStatement(actions=["ecs:RunTask"], resources=[task]),
        iam.PolicyStatement(actions=["ecs:DescribeTasks"], resources=names.arns("task", ["*"])),
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[f"{account}{names.prefix}-data-migrations*"],
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
    ]
