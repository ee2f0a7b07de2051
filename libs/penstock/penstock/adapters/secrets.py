"""Secrets Manager as the port Secrets."""

from typing import TYPE_CHECKING

from penstock.adapters.aws import AWS_ERRORS, error_code, unavailable
from penstock.domain.errors import NotFound

if TYPE_CHECKING:
    from types_aiobotocore_secretsmanager import SecretsManagerClient


class SecretsManager:
    """Reads the current version of secrets."""

    def __init__(self, client: "SecretsManagerClient") -> None:
        """Keep the client."""
        self._client = client

    async def get(self, name: str) -> str:
        """Return the text of a secret; raise NotFound where there is none."""
        try:
            answer = await self._client.get_secret_value(SecretId=name)
        except AWS_ERRORS as error:
            if error_code(error) == "ResourceNotFoundException":
                raise NotFound(f"no secret is named {name} in Secrets Manager") from error
            raise unavailable(error, f"reading secret {name}") from error
        return answer["SecretString"]
