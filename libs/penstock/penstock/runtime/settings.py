"""Settings that every service has; each service adds its own under its own prefix."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

Role = Literal["viewer", "operator", "admin"]


_ROLES_BY_THEIR_NAMES: dict[str, Role] = {
    "viewer": "viewer", "operator": "operator", "admin": "admin",
}  # fmt: skip
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class OidcSettings(BaseModel):
    """Whose tokens people may come with beside the static ones; without an issuer nobody's."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    issuer: str = ""
    """Issuer whose tokens people may come with: their `iss`, to the letter; empty: off."""
    audience: str = ""
    """Client ids that a token of the issuer may be made for, separated by commas."""
    groups_claim: Annotated[str, Field(min_length=1)] = "cognito:groups"
    """Where a token tells its groups; dots lead into objects, as in `realm_access.roles`."""
    role_by_group: dict[str, Role] = Field(default_factory=lambda: dict(_ROLES_BY_THEIR_NAMES))
    """Role by group, as JSON; a map of one's own takes the place of the whole default."""

    @property
    def audiences(self) -> frozenset[str]:
        """The client ids one by one."""
        return frozenset(name.strip() for name in self.audience.split(",") if name.strip())

    @field_validator("issuer")
    @classmethod
    def _is_a_safe_place(cls, issuer: str) -> str:
        if not issuer:
            return issuer
        url = urlsplit(issuer)
        is_safe = url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK)
        if not is_safe or not url.hostname or url.query or url.fragment or url.username:
            raise ValueError(
                "write the issuer as https://<host>/<path>; plain http is for loopback alone"
            )
        return issuer

    @model_validator(mode="after")
    def _knows_its_audience(self) -> Self:
        # Without one, a token that the issuer made for any other application would do.
        if self.issuer and not self.audiences:
            raise ValueError("an issuer needs an audience: the client id that tokens are made for")
        return self


class CoreSettings(BaseSettings):
    """Read once in `__main__` and passed down.

    AWS endpoints and credentials are not here: they come from the standard AWS variables.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_nested_delimiter="__", extra="ignore", use_attribute_docstrings=True
    )

    environment: Annotated[
        str, Field(validation_alias=AliasChoices("environment", "PENSTOCK_ENVIRONMENT"))
    ] = "local"
    """Where this runs: `local` is the embedded stack."""
    name_prefix: Annotated[
        str, Field(validation_alias=AliasChoices("name_prefix", "PENSTOCK_NAME_PREFIX"))
    ] = "penstock"
    """What the name of every queue, topic, table and bucket begins with."""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(validation_alias=AliasChoices("log_level", "PENSTOCK_LOG_LEVEL")),
    ] = "INFO"
    """Least level that is logged."""
    region: Annotated[
        str, Field(validation_alias=AliasChoices("region", "AWS_REGION", "AWS_DEFAULT_REGION"))
    ] = "eu-west-1"
    """AWS region."""
    account: Annotated[
        str,
        Field(validation_alias=AliasChoices("account", "PENSTOCK_ACCOUNT"), pattern=r"^[0-9]{12}$"),
    ] = "000000000000"
    """AWS account of the topics and the state machine; by default the embedded stack's."""
    api_tokens: Annotated[
        dict[str, Role],
        Field(validation_alias=AliasChoices("api_tokens", "PENSTOCK_API_TOKENS"), repr=False),
    ] = {}
    """Tokens of the HTTP API with their roles, as JSON: for one machine; AWS has OIDC."""
    oidc: Annotated[OidcSettings, Field(validation_alias=AliasChoices("oidc", "PENSTOCK_OIDC"))] = (
        OidcSettings()
    )
    otlp_endpoint: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices(
                "otlp_endpoint", "PENSTOCK_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
            )
        ),
    ] = None
    """Base URL of a collector that takes spans by OTLP over HTTP; without one none are recorded."""
    traces_ratio: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            validation_alias=AliasChoices(
                "traces_ratio", "PENSTOCK_TRACES_RATIO", "OTEL_TRACES_SAMPLER_ARG"
            ),
        ),
    ] = 0.01
    """Share of the traces that begin here that are recorded; what comes with a traceparent says
    itself whether it is."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    drain_seconds: float = 15.0
    """How long work under way may go on after SIGTERM; must end before the platform's SIGKILL."""


class ConsumerSettings(CoreSettings):
    """What every command that consumes queues has on top."""

    receive_wait_seconds: float = 10.0
    """How long one receive waits for messages; with `drain_seconds` below the stop timeout."""
    dead_letter_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of dead letters among the recent items that stops a consumer."""
    dead_letter_least: Annotated[int, Field(ge=1)] = 20
    """Items that must have been seen before that share counts."""
