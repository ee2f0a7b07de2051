"""S3, as a container's platform uses it: channels and models in, artefacts out."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 4, "mode": "standard"},
    s3={"addressing_style": "path"},
)


class TransferError(Exception):
    """S3 could not be read or written, in words for a FailureReason."""


class TransferStoppedError(Exception):
    """Somebody asked for the transfer to stop."""


@dataclass(frozen=True, slots=True)
class Location:
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_location(url: str) -> Location:
    """Read `s3://bucket/key`; the https form that the model allows too names the bucket first."""
    parts = urlsplit(url)
    path = parts.path.lstrip("/")
    if parts.scheme == "s3":
        return Location(parts.netloc, path)
    bucket, _, key = path.partition("/")
    return Location(bucket, key)


def relative_name(prefix: str, key: str) -> str:
    """Name of an object below its channel: what follows the prefix, or its last folder."""
    if key.startswith(f"{prefix.rstrip('/')}/") or not prefix:
        return key[len(prefix) :].lstrip("/")
    return key[prefix.rfind("/") + 1 :]


class ObjectStore:
    """Blocking; run it in a thread. `stop` is looked at between objects and blocks."""

    def __init__(self, *, endpoint_url: str | None, region: str) -> None:
        session = boto3.session.Session(region_name=region)
        # A stand-in on this machine takes any keys, so none need to be configured for it.
        no_keys = endpoint_url is not None and session.get_credentials() is None
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"} if no_keys else {}
        self._client: Any = session.client("s3", endpoint_url=endpoint_url, config=_CONFIG, **keys)

    def download_prefix(self, url: str, directory: Path, stop: threading.Event) -> int:
        """Fetch every object below a prefix, or the one object it names; return how many."""
        location = parse_location(url)
        count = 0
        with _translated(f"Data download failed: {url}"):
            for key in self._keys(location):
                name = PurePosixPath(relative_name(location.key, key))
                if ".." in name.parts or name.is_absolute():
                    raise TransferError(f"Data download failed: unsafe object name {key!r}")
                self._download(Location(location.bucket, key), directory / name, stop)
                count += 1
        return count

    def download(self, url: str, path: Path, stop: threading.Event) -> None:
        with _translated(f"Download failed: {url}"):
            self._download(parse_location(url), path, stop)

    def upload(self, path: Path, url: str) -> None:
        location = parse_location(url)
        with _translated(f"Artifact upload failed: {url}"):
            self._client.upload_file(str(path), location.bucket, location.key)

    def close(self) -> None:
        self._client.close()

    def _keys(self, location: Location) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=location.bucket, Prefix=location.key):
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):  # a folder marker of the console
                    yield entry["Key"]

    def _download(self, location: Location, path: Path, stop: threading.Event) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._client.download_file(
            location.bucket, location.key, str(path), Callback=_stopping(stop)
        )


def _stopping(stop: threading.Event) -> Callable[[int], None]:
    def look(_bytes: int) -> None:
        if stop.is_set():
            raise TransferStoppedError

    return look


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error, OSError) as error:
        raise TransferError(f"{what}: {error}") from error
