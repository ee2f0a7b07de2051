"""The stack that keeps things: network, key, topics, queues, tables, buckets, Aurora, secrets."""

from aws_cdk import Environment, Stack
from constructs import Construct

from penstock_infra import extras
from penstock_infra.config import Deployment


class DataStack(Stack):
    """What outlives a deployment of code."""

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, env: Environment | None = None
    ) -> None:
        """Create everything that holds data or carries it."""
        super().__init__(
            scope, name, env=env, description="Penstock: network, channels, tables, buckets, Aurora"
        )
        self.deployment = deployment
        extras.add_to_data(self)
