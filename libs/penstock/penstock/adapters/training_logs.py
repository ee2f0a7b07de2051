"""What a training wrote: from CloudWatch Logs, or from the embedded SageMaker."""

from collections.abc import AsyncIterator
from typing import Any

import httpx

from penstock.adapters.aws import AWS_ERRORS, error_code, unavailable
from penstock.domain.errors import StoreUnavailable

_GROUP = "/aws/sagemaker/TrainingJobs"
_TIMEOUT_SECONDS = 10.0


class CloudWatchTrainingLogs:
    """Streams of SageMaker's log group, one per host of a training."""

    def __init__(self, client: Any) -> None:
        """Keep a client of CloudWatch Logs."""
        self._client = client

    async def lines(self, name: str) -> AsyncIterator[str]:
        """Walk the lines, host after host; none where the training has not begun."""
        try:
            streams = self._client.get_paginator("describe_log_streams")
            found = streams.paginate(logGroupName=_GROUP, logStreamNamePrefix=f"{name}/")
            async for page in found:
                for stream in page["logStreams"]:
                    async for line in self._of_stream(stream["logStreamName"]):
                        yield line
        except AWS_ERRORS as error:
            if error_code(error) != "ResourceNotFoundException":
                raise unavailable(error, f"reading the log of {name}") from error

    async def _of_stream(self, stream: str) -> AsyncIterator[str]:
        token: dict[str, str] = {}
        while True:
            page = await self._client.get_log_events(
                logGroupName=_GROUP, logStreamName=stream, startFromHead=True, **token
            )
            for event in page["events"]:
                yield event["message"]
            # CloudWatch says that it is done by giving the same token again.
            if token.get("nextToken") == page["nextForwardToken"]:
                return
            token = {"nextToken": page["nextForwardToken"]}


class LocalTrainingLogs:
    """Logs of the embedded SageMaker, which serves them beside AWS's protocol."""

    def __init__(self, base_url: str) -> None:
        """Keep where it answers."""
        self._base_url = base_url.rstrip("/")

    async def lines(self, name: str) -> AsyncIterator[str]:
        """Walk the lines; none where there is no such training."""
        url = f"{self._base_url}/_penstock/logs/training-jobs/{name}"
        offset = 0
        rest = b""
        # Loopback: a proxy of the environment is not meant for it.
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while part := await self._part(client, url, offset):
                offset += len(part)
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")

    async def _part(self, client: httpx.AsyncClient, url: str, offset: int) -> bytes:
        try:
            answer = await client.get(url, params={"offset": offset})
        except httpx.HTTPError as error:
            raise StoreUnavailable(f"reading {url}: {error}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return b""
        if answer.status_code != httpx.codes.OK:
            raise StoreUnavailable(f"reading {url}: {answer.status_code}")
        return answer.content
