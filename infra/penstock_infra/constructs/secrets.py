"""Secrets that people fill in or AWS makes; all below `penstock/`, all under our key."""

from aws_cdk import RemovalPolicy, SecretValue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from penstock_infra.config import Deployment

SNOWFLAKE = "snowflake"
API_TOKENS = "api-tokens"


class Secrets(Construct):
    """Secrets by name. Those of sources (`penstock/sources/...`) are made by people as they come.

    Snowflake and API tokens have no rotation that AWS could do alone: the runbook tells how both
    are changed with an overlap.
    """

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, key: kms.IKey
    ) -> None:
        """Create the secrets, with values that let nobody in until people replace them."""
        super().__init__(scope, name)
        self._deployment = deployment
        self._key = key
        self.secrets = {
            SNOWFLAKE: self._add(
                SNOWFLAKE,
                "JSON: private_key (PEM, line ends as \\n) and private_key_passphrase",
                '{"private_key":"","private_key_passphrase":""}',
            ),
            API_TOKENS: self._add(API_TOKENS, "JSON: role by API token", "{}"),
        }

    def _add(self, name: str, description: str, empty: str) -> secretsmanager.Secret:
        is_protected = self._deployment.protected
        return secretsmanager.Secret(
            self,
            name,
            secret_name=f"penstock/{self._deployment.name_prefix}/{name}",
            description=description,
            encryption_key=self._key,
            # Nothing secret stands in a template: people put the value in, and a later deployment
            # leaves it alone.
            secret_string_value=SecretValue.unsafe_plain_text(empty),
            removal_policy=RemovalPolicy.RETAIN if is_protected else RemovalPolicy.DESTROY,
        )
