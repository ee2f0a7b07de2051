"""Objects in an S3 bucket."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from penstock.adapters.aws import AWS_ERRORS, error_code, unavailable
from penstock.domain.errors import UnknownObject
from penstock.ports import StoredObject

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


class S3ObjectStore:
    """One bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        """Keep the bucket."""
        self._client = client
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        """Physical name of the bucket."""
        return self._bucket

    async def put(self, key: str, body: bytes, *, content_type: str = "") -> None:
        """Write an object whole."""
        try:
            await self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentType=content_type or "application/octet-stream",
            )
        except AWS_ERRORS as error:
            raise unavailable(error, f"writing s3://{self._bucket}/{key}") from error

    async def get(self, key: str) -> bytes:
        """Read an object; raise UnknownObject where there is none."""
        try:
            answer = await self._client.get_object(Bucket=self._bucket, Key=key)
            async with answer["Body"] as body:
                return await body.read()
        except AWS_ERRORS as error:
            if error_code(error) in _MISSING:
                raise UnknownObject(f"s3://{self._bucket}/{key} is not there") from error
            raise unavailable(error, f"reading s3://{self._bucket}/{key}") from error

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Walk the objects below a prefix in order of key."""
        pages = self._client.get_paginator("list_objects_v2")
        try:
            async for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"], entry["Size"])
        except AWS_ERRORS as error:
            raise unavailable(error, f"listing s3://{self._bucket}/{prefix}") from error

    async def delete(self, key: str) -> None:
        """Remove an object; removing none is fine."""
        try:
            await self._client.delete_object(Bucket=self._bucket, Key=key)
        except AWS_ERRORS as error:
            raise unavailable(error, f"removing s3://{self._bucket}/{key}") from error
