"""What a person says of the load, and of how the deployment is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from penstock_client.cost.shape import CommandShape, Shape

Egress = Literal["nat", "proxy", "privatelink"]
"""As a deployment says it: a NAT per zone, a proxy of one's own, an endpoint for Snowflake."""
Architecture = Literal["arm64", "x86"]
HOURS = 730.0
"""Hours of a month: 365 days / 12."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Rates are of all gateways together and even over the month; money follows bursts upwards.

    `seconds_between_readings` is of one tag, so the number of tags follows from the rate.
    `endpoints` are instances by type; `snowflake_minutes` a day are reckoned from the loads where
    they are not given.
    """

    gateways: int
    readings_per_second: float
    models: int
    tags_per_asset: int = 20
    seconds_between_readings: float = 1.0
    readings_per_body: int = 100
    bindings_per_asset: float = 1.0
    mqtt_gateways: int = 0
    retention_days: float = 365.0
    aurora_days: float = 90.0
    endpoints: Mapping[str, int] = field(default_factory=dict)
    trainings: float = 4.0
    training_hours: float = 0.5
    training_instance: str = "ml.m5.xlarge"
    dataset_gb: float = 5.0
    aurora_instances: int = 2
    aurora_least_acu: float = 1.0
    snowflake_minutes: float | None = None
    snowflake_credits_per_hour: float = 1.0
    zones: int = 3
    egress: Egress = "nat"
    architecture: Architecture = "arm64"
    linger_seconds: float | None = None
    hours: float = HOURS
    region_multiplier: float = 1.0

    @property
    def seconds(self) -> float:
        """Seconds of the month."""
        return self.hours * 3600

    @property
    def months(self) -> float:
        """The reckoned time in months, for what is priced by the month."""
        return self.hours / HOURS

    @property
    def readings(self) -> float:
        """Readings of the month."""
        return self.readings_per_second * self.seconds

    @property
    def bodies_per_second(self) -> float:
        """Requests of gateways."""
        return self.readings_per_second / self.readings_per_body

    @property
    def tags(self) -> float:
        """Tags that send."""
        return self.readings_per_second * self.seconds_between_readings

    @property
    def assets(self) -> float:
        """Assets that these tags belong to."""
        return self.tags / self.tags_per_asset

    @property
    def scans_per_second(self) -> float:
        """Times that an asset's tags come together: one state write, one frame per binding."""
        return self.readings_per_second / self.tags_per_asset

    @property
    def predictions_per_second(self) -> float:
        """Frames that ask a model, each answered once."""
        return self.scans_per_second * self.bindings_per_asset if self.models else 0.0

    @property
    def instances(self) -> Mapping[str, int]:
        """Endpoint instances by type: those named, or one small one per model."""
        return self.endpoints or ({"ml.m5.large": self.models} if self.models else {})

    def check(self) -> None:
        """Raise ValueError naming what cannot be."""
        least: dict[str, float] = {
            "gateways": 0, "readings_per_second": 0, "models": 0, "tags_per_asset": 1,
            "seconds_between_readings": 0, "readings_per_body": 1, "bindings_per_asset": 0,
            "mqtt_gateways": 0, "retention_days": 0, "aurora_days": 0, "trainings": 0,
            "training_hours": 0, "dataset_gb": 0, "aurora_instances": 1, "aurora_least_acu": 0,
            "snowflake_credits_per_hour": 0, "zones": 1, "hours": 1, "region_multiplier": 0,
        }  # fmt: skip
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ValueError(f"{name} is {getattr(self, name)}: at least {smallest:g}")
        if self.mqtt_gateways > self.gateways:
            raise ValueError(f"{self.mqtt_gateways} of {self.gateways} gateways cannot speak MQTT")
        if self.readings_per_second and not self.gateways:
            raise ValueError("readings come from gateways: say how many there are")

    def when_idle(self) -> "Workload":
        """The same deployment, and nothing is sent, trained or kept."""
        minutes = None if self.snowflake_minutes is None else 0.0
        return replace(
            self, readings_per_second=0.0, trainings=0.0, mqtt_gateways=0, snowflake_minutes=minutes
        )


@dataclass(frozen=True, slots=True)
class Tasks:
    """How many tasks of a command run, and how many its load would want without a limit."""

    command: CommandShape
    wanted: int

    @property
    def running(self) -> int:
        """Tasks within the limits of its scaling."""
        return min(max(self.wanted, self.command.least_tasks), self.command.most_tasks)

    @property
    def is_short(self) -> bool:
        """Whether the limit is below what the load wants."""
        return self.wanted > self.command.most_tasks


@dataclass(frozen=True, slots=True)
class Deployment:
    """A load on a shape: what the quantities of every component are worked out from."""

    load: Workload
    shape: Shape
    tasks: Mapping[str, Tasks]

    def running(self, command: str) -> int:
        """Tasks of a command."""
        return self.tasks[command].running

    def setting(self, name: str) -> float:
        """A setting of the services; the linger of ingest may be said by the load."""
        if name == "commit_linger_seconds" and self.load.linger_seconds is not None:
            return self.load.linger_seconds
        return self.shape.settings[name]
