"""One configuration for all AWS clients, and the clients of a process."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from penstock.adapters.form_body import write_form
from penstock.domain.errors import StoreUnavailable, Throttled, Unavailable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient

AWS_ERRORS: tuple[type[Exception], ...] = (ClientError, BotoCoreError)
"""What any AWS call may raise; adapters translate it at their border."""

_THROTTLES = frozenset(
    {
        "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
        "TooManyRequestsException", "ProvisionedThroughputExceededException", "SlowDown",
        "RequestLimitExceeded", "KMSThrottlingException",
    }
)  # fmt: skip


def client_config(*, read_timeout_seconds: float = 25.0, pool: int = 50) -> AioConfig:
    """Short timeouts and few retries: queues do the long ones."""
    return AioConfig(
        connect_timeout=3.0,
        read_timeout=read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=pool,
        parameter_validation=False,
        s3={"addressing_style": "path"},
    )


class AwsClients:
    """Opens each client once and closes all with the process."""

    def __init__(self, stack: contextlib.AsyncExitStack, region: str) -> None:
        """Keep where clients are closed."""
        self._stack = stack
        self._region = region
        self._session: Any = get_session()

    async def client(self, service: str, *, config: AioConfig | None = None) -> Any:
        """Open a client; its endpoint comes from the standard AWS variables."""
        creating = self._session.create_client(
            service, region_name=self._region, config=config or client_config()
        )
        return await self._stack.enter_async_context(creating)

    async def sns(self) -> "SNSClient":
        """Open a client of SNS; packs are large, so their calls are written our way."""
        client = cast("SNSClient", await self.client("sns"))
        client.meta.events.register("before-call.sns.PublishBatch", write_form)
        return client

    async def sqs(self) -> "SQSClient":
        """Open a client of SQS; a receive may wait 20 s."""
        return cast("SQSClient", await self.client("sqs", config=client_config(pool=100)))

    async def s3(self) -> "S3Client":
        """Open a client of S3."""
        return cast("S3Client", await self.client("s3"))

    async def dynamodb(self) -> "DynamoDBClient":
        """Open a client of DynamoDB."""
        return cast("DynamoDBClient", await self.client("dynamodb"))


@contextlib.asynccontextmanager
async def aws_clients(region: str) -> AsyncIterator[AwsClients]:
    """Own the clients of a process."""
    async with contextlib.AsyncExitStack() as stack:
        yield AwsClients(stack, region)


def arn_of(service: str, resource: str, *, region: str, account: str) -> str:
    """ARN of what the account has in the region: to look for it would take one permission more."""
    partition = botocore.session.get_session().get_partition_for_region(region)
    return f"arn:{partition}:{service}:{region}:{account}:{resource}"


def error_code(error: Exception) -> str:
    """AWS's code of an error; empty where the call never got an answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def unavailable(error: Exception, doing: str) -> Unavailable:
    """Translate an AWS error that is worth another try."""
    family = Throttled if error_code(error) in _THROTTLES else StoreUnavailable
    return family(f"{doing}: {error}")
