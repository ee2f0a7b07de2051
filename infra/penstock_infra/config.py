"""What one deployment differs in from another: a small file, read once and checked as a whole."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from penstock.resources import COMMANDS
from pydantic import Field, ValidationError, model_validator

from penstock_infra.extras_config import (
    Alarms,
    Analytics,
    Delivery,
    Devices,
    Extras,
    fault_of,
)
from penstock_infra.part import Arn, Part

FOLDER = Path(__file__).parents[1] / "deployments"

MIGRATIONS = "migrations"
"""Image that brings Aurora to the newest schema, beside those of the commands."""
COLLECTOR = "collector"
"""Image of the collector of traces and metrics: AWS's, copied into the account's registry."""

Egress = Literal["nat", "proxy", "privatelink"]


class ConfigError(ValueError):
    """A deployment's file cannot be used; the text says which line and why."""


class OwnNetwork(Part):
    """A VPC of the account that is used as it is; its private subnets one per zone, in order."""

    vpc_id: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]+$")]
    cidr: Annotated[str, Field(pattern=r"^[0-9.]+/[0-9]+$")]
    availability_zones: Annotated[tuple[str, ...], Field(min_length=2)]
    private_subnets: tuple[str, ...]
    public_subnets: tuple[str, ...] = ()
    private_route_tables: tuple[str, ...] = ()
    """Where the gateway endpoints of S3 and DynamoDB enter their routes."""
    has_endpoints: bool = False
    """Whether the VPC has the endpoints of the AWS services already."""

    @model_validator(mode="after")
    def _one_subnet_per_zone(self) -> Self:
        for name in ("private_subnets", "public_subnets", "private_route_tables"):
            count = len(getattr(self, name))
            if count not in {0, len(self.availability_zones)} or (
                name == "private_subnets" and count == 0
            ):
                raise ValueError(f"{name} must name one for each of availability_zones, in order")
        return self


class Aurora(Part):
    """Size of the data base, in Aurora capacity units of 2 GiB, and who vouches for it."""

    least_units: Annotated[float, Field(ge=0.5, le=256, multiple_of=0.5)] = 1.0
    most_units: Annotated[float, Field(ge=1, le=256, multiple_of=0.5)] = 8.0
    readers: Annotated[int, Field(ge=0, le=5)] = 1
    backup_days: Annotated[int, Field(ge=1, le=35)] = 14
    root_certificate: Annotated[str, Field(pattern=r"^/\S+$")] = (
        "/opt/penstock/authorities/aurora.pem"
    )
    """File in the images that holds RDS's authorities; without it no command reaches Aurora."""

    @model_validator(mode="after")
    def _least_below_most(self) -> Self:
        if self.least_units > self.most_units:
            raise ValueError("least_units is above most_units")
        return self


class Snowflake(Part):
    """Where Snowflake is and who writes there; its key pair is in a secret."""

    account: str
    user: str
    role: str | None = None
    warehouse: str | None = None
    database: str = "PENSTOCK"
    schema_name: Annotated[str, Field(alias="schema")] = "PUBLIC"
    host: str | None = None


class Readers(Part):
    """People who read files with tools of their own: below these keys and nowhere else."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,24}$")]
    principal_arns: Annotated[tuple[Arn, ...], Field(min_length=1)]
    archive: tuple[str, ...] = ()
    lake: tuple[str, ...] = ()


class Deployment(Part):
    """All that differs between two deployments."""

    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,15}$")]
    name_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{2,24}[a-z0-9]$")]
    """Every name starts with it. Bucket names are shared by all of AWS: take one of your own."""
    protected: bool
    """Whether data outlives the stack, and its data base refuses to be deleted."""
    zones: Annotated[int, Field(ge=1, le=3)] = 3
    """Zones that tasks and readers spread over; the VPC itself always has three."""
    network: OwnNetwork | None = None
    egress: Egress = "nat"
    """How commands that reach out leave the VPC."""
    proxy_url: Annotated[str, Field(pattern=r"^http://[^/@\s]+:[0-9]+$")] | None = None
    """As `http://host:port`; what goes through it is encrypted to its end, and it knows tasks by
    their addresses."""
    proxy_cidr: str | None = None
    snowflake_endpoint_service: str | None = None
    """Name of Snowflake's PrivateLink service (SYSTEM$GET_PRIVATELINK_CONFIG tells it)."""
    key_arn: Arn | None = None
    """A KMS key of your own; by default one is made."""
    permissions_boundary_arn: Arn | None = None
    certificate_arn: Arn | None = None
    domain_name: str | None = None
    internal: bool = False
    """Whether the load balancer has addresses inside the VPC only."""
    image_tag: str
    image_tags: Annotated[dict[str, str], Field(default_factory=dict)]
    """Tag by image, where it is not `image_tag`."""
    least_tasks: Annotated[int, Field(ge=1)] | None = None
    most_tasks: Annotated[int, Field(ge=1)] | None = None
    """Bounds over what the commands ask for: never more than this many of one."""
    worker_spot: bool = False
    traces: bool = True
    """Whether every task has a collector beside it that sends traces to X-Ray."""
    log_days: Literal[1, 3, 7, 14, 30, 60, 90, 180, 365] = 30
    requests_per_five_minutes: Annotated[int, Field(ge=100)] = 60_000
    """What one address may ask before the firewall refuses."""
    private_source_cidrs: tuple[str, ...] = ()
    """Private ranges that sources of history may lie in."""
    github_repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """owner/name that may deploy through GitHub's OIDC federation."""
    readers: tuple[Readers, ...] = ()
    allowed_cidrs: Annotated[tuple[str, ...], Field(min_length=1)] = ("0.0.0.0/0",)
    """Who may knock at the load balancer."""
    snowflake: Snowflake | None = None
    aurora: Aurora = Aurora()
    extras: Extras = Extras()
    devices: Devices = Devices()
    delivery: Delivery = Delivery()
    analytics: Analytics = Analytics()
    alarms: Alarms = Alarms()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        images = {command.image for command in COMMANDS} | {MIGRATIONS, COLLECTOR}
        if unknown := sorted(set(self.image_tags) - images):
            raise ValueError(f"image_tags names {unknown}, but the images are {sorted(images)}")
        if self.egress == "proxy" and self.proxy_url is None:
            raise ValueError("egress = 'proxy' needs proxy_url")
        if self.egress == "privatelink" and self.snowflake_endpoint_service is None:
            raise ValueError("egress = 'privatelink' needs snowflake_endpoint_service")
        if fault := fault_of(
            extras=self.extras, devices=self.devices, analytics=self.analytics, alarms=self.alarms,
            domain_name=self.domain_name, internal=self.internal, traces=self.traces,
        ):  # fmt: skip
            raise ValueError(fault)
        if self.network is not None and not (self.network.public_subnets or self.internal):
            raise ValueError("without network.public_subnets say internal = true")
        if self.certificate_arn is None:
            raise ValueError(
                "certificate_arn is missing: gateways and people are answered over TLS only; "
                "write it into the file or give -c certificate_arn=arn:..."
            )
        return self

    def tag_of(self, image: str) -> str:
        """Tag of an image in the registry."""
        return self.image_tags.get(image, self.image_tag)


def load(
    name: str, overrides: Mapping[str, Any] | None = None, folder: Path = FOLDER
) -> Deployment:
    """Read `<name>.toml`, single keys replaced by `overrides`; raise ConfigError."""
    path = folder / f"{name}.toml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.toml")))
        raise ConfigError(f"no deployment {name!r} in {folder}: there are {known}")
    try:
        content = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        return Deployment.model_validate({**content, **(overrides or {})})
    except ValidationError as error:
        faults = (
            f"  {'.'.join(str(part) for part in fault['loc']) or path.name}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ConfigError("\n".join([f"{path} cannot be used:", *faults])) from error
