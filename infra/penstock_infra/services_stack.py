"""The stack that runs things: tasks, load balancer, state machine, schedules, sign-in."""

from aws_cdk import Environment, Stack
from constructs import Construct

from penstock_infra import extras
from penstock_infra.config import Deployment
from penstock_infra.data_stack import DataStack


class ServicesStack(Stack):
    """What a deployment of code replaces."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        data: DataStack,
        env: Environment | None = None,
    ) -> None:
        """Create everything that runs code or lets people and gateways in."""
        super().__init__(
            scope,
            name,
            env=env,
            description="Penstock: tasks, load balancer, state machine, sign-in",
        )
        self.deployment = deployment
        self.data = data
        extras.add_to_services(self)
