"""Sites, assets and the bindings that join frames to models."""

from dataclasses import dataclass, field
from enum import StrEnum

from penstock.domain.frames import FrameDefinition
from penstock.domain.ids import AssetName, BindingName, GatewayId, TagPath
from penstock.domain.time import HOUR, Micros


@dataclass(frozen=True, slots=True)
class Asset:
    """One machine or line of a site.

    Every tag below one of `prefixes` belongs to it, named by the rest of its path.
    """

    name: AssetName
    site: str
    asset_type: str
    prefixes: tuple[TagPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag given to an asset by hand, under a name of its own."""

    path: TagPath
    asset: AssetName
    name: str
    gateway_id: GatewayId | None = None


@dataclass(frozen=True, slots=True)
class AppliesTo:
    """One asset, or all of an asset type, less the excluded ones."""

    asset: AssetName | None = None
    asset_type: str | None = None
    sites: tuple[str, ...] = ()
    exclude: tuple[AssetName, ...] = ()

    def covers(self, asset: Asset) -> bool:
        """Whether the asset is meant."""
        if asset.name in self.exclude:
            return False
        if self.asset is not None:
            return asset.name == self.asset
        return asset.asset_type == self.asset_type and (not self.sites or asset.site in self.sites)


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a binding asks its model: on any tag of its frame, on listed ones, or every span.

    `settle` gathers the tags of one scan: without a step, event times are floored to it.
    """

    on: tuple[str, ...] = ()
    every: Micros = Micros(0)
    settle: Micros = Micros(0)
    at_most_every: Micros = Micros(0)


@dataclass(frozen=True, slots=True)
class Decision:
    """Threshold above which a probability or score counts as `label`."""

    label: str = "failure"
    alarm_at: float = 0.5


class BindingState(StrEnum):
    """A paused binding keeps its frame state and asks no model."""

    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Binding:
    """Joins a frame to assets, a model and a trigger.

    `model_version` is a version or `champion`; `frame` None means the model version's own.
    """

    name: BindingName
    applies_to: AppliesTo
    model: str
    model_version: str = "champion"
    frame: FrameDefinition | None = None
    state: BindingState = BindingState.ACTIVE
    trigger: Trigger = field(default_factory=Trigger)
    grace: Micros = HOUR
    min_features_present: int = 1
    decision: Decision | None = None


def sequence_binding(model: str) -> BindingName:
    """Name of the binding that mode `sequence` makes by itself for a model."""
    return BindingName(f"seq:{model}")


@dataclass(frozen=True, slots=True)
class Context:
    """What stands where and what is asked of which model, as people last wrote it.

    `version` rises with every change, so that readers ask for the rest only then.
    """

    version: int
    assets: tuple[Asset, ...] = ()
    tags: tuple[Tag, ...] = ()
    bindings: tuple[Binding, ...] = ()
