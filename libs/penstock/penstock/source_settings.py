"""Settings of REST sources: written by an admin, read by whoever pulls."""

import re
import ssl
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from penstock import sources
from penstock.bodies import Body, Name
from penstock.domain.errors import ForbiddenAddress, InvalidInput, NotFound
from penstock.plugins import discover
from penstock.ports import KeyValueStore, Write
from penstock.resources import SOURCES
from penstock.source import SourcePlugin
from penstock.source_guard import IpNetwork, split_url

PLUGINS: dict[str, SourcePlugin] = discover(
    sources, attribute="SOURCE", kind=SourcePlugin, group="penstock.sources"
)
"""Every kind of source by name."""

SECRET_PREFIX = "penstock/sources/"  # noqa: S105  # where secrets may lie, not one of them
_SECRET = re.compile(r"penstock/sources/[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*")

Cidr = Annotated[IpNetwork, PlainSerializer(str, return_type=str)]
"""A range of addresses, written as 10.20.0.0/16."""


class AuthBody(Body):
    """How requests prove who sends them; the secret itself stays in Secrets Manager.

    The secret is plain text, or JSON: `token` (bearer), `username` and `password` (basic),
    `value` (header).
    """

    type: Literal["none", "bearer", "basic", "header"] = "none"
    secret: str = ""
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = "X-API-Key"

    @model_validator(mode="after")
    def _own_secret(self) -> Self:
        if self.type == "none":
            return self
        if not _SECRET.fullmatch(self.secret) or ".." in self.secret:
            raise ValueError(f"secret must be the name of one below {SECRET_PREFIX}")
        return self


class RateBody(Body):
    """What all fetchers together may ask of the source."""

    rps: Annotated[float, Field(gt=0, le=10_000)] = 5.0
    concurrency: Annotated[int, Field(ge=1, le=1_000)] = 2


class SourceBody(Body):
    """`PUT /v1/sources/{name}`."""

    name: Name
    plugin: str
    base_url: str
    auth: AuthBody = AuthBody()
    allowed_cidrs: tuple[Cidr, ...] = ()
    ca: str = ""
    rate: RateBody = RateBody()
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    max_response_bytes: Annotated[int, Field(ge=1_024, le=512 * 1024 * 1024)] = 64 * 1024 * 1024
    options: dict[str, Any] = Field(default_factory=dict, validate_default=True)

    @field_validator("plugin")
    @classmethod
    def _known_plugin(cls, plugin: str) -> str:
        if plugin not in PLUGINS:
            raise ValueError(f"{plugin!r} is none of {', '.join(PLUGINS)}")
        return plugin

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        try:
            parts = split_url(url)
        except ForbiddenAddress as error:
            raise ValueError(str(error)) from error
        if parts.query or parts.fragment:
            raise ValueError("leave query and fragment to the plug-in's options")
        return url.rstrip("/")

    @field_validator("ca")
    @classmethod
    def _readable_certificate(cls, ca: str) -> str:
        try:
            ssl.create_default_context(cadata=ca or None)
        except ssl.SSLError as error:
            raise ValueError(f"no certificate in PEM: {error}") from error
        return ca

    @field_validator("options")
    @classmethod
    def _filled(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "plugin" not in info.data:
            return options
        model = PLUGINS[info.data["plugin"]].options
        return model.model_validate(options).model_dump(mode="json", by_alias=True)

    @property
    def source_plugin(self) -> SourcePlugin:
        """The plug-in that it names."""
        return PLUGINS[self.plugin]

    def plugin_options(self) -> BaseModel:
        """Options as the plug-in reads them."""
        return self.source_plugin.options.model_validate(self.options)


class SourceStore:
    """Sources in the table `sources`."""

    def __init__(self, store: KeyValueStore) -> None:
        """Keep the table's store."""
        self._store = store

    async def put(self, source: SourceBody) -> None:
        """Write a source; it holds from the next request on."""
        key = {"name": source.name}
        item = {**key, "body": source.model_dump_json(by_alias=True)}
        await self._store.write(Write(SOURCES.name, key, put=item))

    async def get(self, name: str) -> SourceBody:
        """Read a source; raise NotFound, or InvalidInput where this build cannot read it."""
        item = await self._store.get(SOURCES.name, {"name": name})
        if item is None:
            raise NotFound(f"no source is named {name}; create it with PUT /v1/sources/{name}")
        return _read(item)

    async def delete(self, name: str) -> None:
        """Forget a source; none is fine."""
        await self._store.write(Write(SOURCES.name, {"name": name}, delete=True))

    async def all(self) -> AsyncIterator[SourceBody]:
        """Walk the sources, in no order."""
        async for item in self._store.scan(SOURCES.name):
            yield _read(item)


def _read(item: dict[str, object]) -> SourceBody:
    try:
        return SourceBody.model_validate(msgspec.json.decode(str(item["body"])))
    except ValidationError as error:
        raise InvalidInput(f"source {item['name']} is not readable any more: {error}") from error
