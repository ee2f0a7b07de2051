"""A binding as it meets one asset: its frame, its trigger, and the model that it asks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from penstock.domain.assets import Asset, Binding, BindingState
from penstock.domain.frames import FrameDefinition, Keeping, keeping_for
from penstock.domain.ids import BindingName
from penstock.domain.time import Micros


@dataclass(frozen=True, slots=True)
class Target:
    """The model that a binding asks.

    `variant` is empty where the endpoint's weights decide, else the one version that is meant.
    """

    model: str
    version: str
    algorithm: str
    endpoint: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class BoundBinding:
    """What asks a model about one asset, and when.

    Event times are multiples of `grid` (any time where it is 0). A clocked binding asks at every
    multiple that its tags' samples cross, any other at the times of its trigger tags' samples.
    """

    name: BindingName
    frame: FrameDefinition
    frame_tags: frozenset[str]
    trigger_tags: frozenset[str]
    tags: frozenset[str]
    grid: Micros
    is_clocked: bool
    grace: Micros
    min_features_present: int
    threshold: float | None
    target: Target | None

    @property
    def reach(self) -> Micros:
        """How long after a sample frames may still show something of it."""
        frame = self.frame
        return Micros(max(frame.max_staleness, frame.needed_span(), frame.every, self.grid))


@dataclass(frozen=True, slots=True)
class BoundAsset:
    """An asset with its bindings; those that are not asking only keep the state warm."""

    asset: Asset
    bindings: tuple[BoundBinding, ...]
    asking: tuple[BoundBinding, ...]
    keeping: Mapping[str, Keeping]

    @property
    def tags(self) -> Collection[str]:
        """Every tag that a frame reads or a trigger waits for."""
        return self.keeping.keys()


def bind(binding: Binding, frame: FrameDefinition, target: Target | None) -> BoundBinding:
    """Settle what a binding's frame and trigger leave to each other.

    A frame without a step takes that of the trigger, so that the tags of one scan, gathered into
    one event time, are seen by the frame of that time.
    """
    trigger = binding.trigger
    if not frame.every and not trigger.every:
        frame = replace(frame, every=max(trigger.settle, trigger.at_most_every))
    frame_tags = frozenset(frame.tags)
    trigger_tags = frozenset(trigger.on) or frame_tags
    is_active = binding.state is BindingState.ACTIVE
    return BoundBinding(
        name=binding.name,
        frame=frame,
        frame_tags=frame_tags,
        trigger_tags=trigger_tags,
        tags=frame_tags | trigger_tags,
        grid=trigger.every or Micros(max(frame.every, trigger.at_most_every)),
        is_clocked=trigger.every > 0,
        grace=binding.grace,
        min_features_present=binding.min_features_present,
        threshold=binding.decision.alarm_at if binding.decision else None,
        target=target if is_active else None,
    )


def bind_asset(asset: Asset, bindings: Sequence[BoundBinding]) -> BoundAsset:
    """Gather the bindings of one asset."""
    tags = {tag for binding in bindings for tag in binding.tags}
    definitions = tuple(dict.fromkeys(binding.frame for binding in bindings))
    return BoundAsset(
        asset=asset,
        bindings=tuple(bindings),
        asking=tuple(binding for binding in bindings if binding.target is not None),
        keeping={tag: keeping_for(definitions, tag) for tag in sorted(tags)},
    )
