"""Which sites, lines and machines the plant has, and how its gateways record them."""

from collections.abc import Sequence
from dataclasses import dataclass

from penstock_local.plant.noise import key_of, uniform

ASSET_TYPE = "pump"

# What a pump measures, and how far a value must move to be recorded.
DEADBANDS = {
    "TEMP": 0.2,
    "VIBRATION": 0.05,
    "PRESSURE": 0.02,
    "CURRENT": 0.2,
    "SPEED": 2.0,
}
# Known only afterwards, so only the history has it: the pump fails within the next day.
LABEL = "FAILURE"


@dataclass(frozen=True, slots=True)
class Asset:
    site: str
    line: str
    name: str

    @property
    def prefix(self) -> str:
        return f"/{self.site}/{self.line}/{self.name}"


@dataclass(frozen=True, slots=True)
class Plant:
    """The whole plant: equal ones have equal values at all times."""

    seed: int = 7
    sites: int = 1
    lines: int = 1
    machines: int = 4
    spare_tags: int = 0
    """More tags per machine, AUX01 and on, that mean nothing: for load."""
    scan_ms: int = 1_000
    heartbeat_ms: int = 60_000
    """A value that does not move is recorded this often."""
    skew_ms: int = 0
    """How far a site's clock may be off, either way."""
    bad_share: float = 0.002
    uncertain_share: float = 0.004

    def __post_init__(self) -> None:
        if min(self.sites, self.lines, self.machines, self.scan_ms) < 1:
            raise ValueError("a plant has at least one site, line and machine, and a scan time")
        if self.heartbeat_ms < self.scan_ms:
            raise ValueError("the heartbeat can't be shorter than a scan")

    def assets(self) -> list[Asset]:
        """Return the machines; their names are unique in the whole plant."""
        return [
            Asset(f"SITE{site:02d}", f"LINE{line:02d}", f"P-{hall}{machine:02d}")
            for site in range(1, self.sites + 1)
            for line in range(1, self.lines + 1)
            for hall in [(site - 1) * self.lines + line]
            for machine in range(1, self.machines + 1)
        ]

    def live_tags(self) -> list[str]:
        """Return the tag names that a gateway sends for every machine."""
        return [*DEADBANDS, *(f"AUX{number:02d}" for number in range(1, self.spare_tags + 1))]

    def recorded_tags(self) -> list[str]:
        """Return the tag names that the history has for every machine."""
        return [*self.live_tags(), LABEL]

    def skew_of(self, site: str) -> int:
        """Return by how many ms the clock of a site's gateway is ahead."""
        return round((2 * float(uniform(key_of(self.seed, site, "skew"), 0)) - 1) * self.skew_ms)

    def find(self, path: str) -> tuple[Asset, str] | None:
        """Return the machine and the tag name of a path."""
        prefix, _, name = path.rpartition("/")
        if name not in self.recorded_tags():
            return None
        return next(((asset, name) for asset in self.assets() if asset.prefix == prefix), None)


def gateway_of(site: str) -> str:
    return f"gw-{site.lower()}"


def paths(assets: Sequence[Asset], names: Sequence[str]) -> list[str]:
    return [f"{asset.prefix}/{name}" for asset in assets for name in names]
