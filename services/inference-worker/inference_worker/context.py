"""What stands where and what is asked of which model: an immutable snapshot, made purely."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from penstock.domain.assets import Binding, Context, Tag
from penstock.domain.frames import FrameDefinition, FrameMode
from penstock.domain.ids import AssetName, BindingName, GatewayId, TagPath
from penstock.registry import CHAMPION, ModelVersion

from inference_worker.bound import BoundAsset, BoundBinding, Target, bind, bind_asset

K = TypeVar("K")
V = TypeVar("V")

_REMEMBERED = 200_000
"""Resolved tags and bound assets kept by a snapshot; past it the memory starts again."""
_REMEMBERED_PLACES = 1_200_000
"""Places of tags likewise: those of a plant of a million tags, in some 200 MB."""


class TagOf(NamedTuple):
    """Which asset a tag path belongs to, and its name there."""

    asset: AssetName
    tag: str


class Place(NamedTuple):
    """An asset that something is asked about, and a tag's name there."""

    bound: BoundAsset
    tag: str


@dataclass(frozen=True, slots=True)
class Models:
    """The registry at one moment."""

    versions: Mapping[tuple[str, str], ModelVersion]
    champions: Mapping[str, str]

    def find(self, model: str, version: str) -> ModelVersion | None:
        """The version, or the champion's; None where there is none."""
        return self.versions.get(
            (model, self.champions.get(model, "") if version == CHAMPION else version)
        )

    def target(self, model: str, version: str) -> Target | None:
        """Where to ask for a model; only a version named by number pins the variant."""
        found = self.find(model, version)
        if found is None:
            return None
        variant = "" if version == CHAMPION else found.version
        return Target(model, found.version, found.algorithm, found.endpoint, variant)


def models_of(versions: Iterable[ModelVersion], champions: Mapping[str, str]) -> Models:
    """Index the registry."""
    return Models({(v.model, v.version): v for v in versions}, dict(champions))


class Snapshot:
    """Answers which asset a tag belongs to and what is asked about an asset.

    It never changes; what it remembers is only what it would answer again.
    """

    def __init__(self, context: Context, models: Models) -> None:
        """Index the context."""
        self.context = context
        self.models = models
        self._assets = {asset.name: asset for asset in context.assets}
        self._asset_by_prefix = {
            prefix.rstrip("/"): asset.name for asset in context.assets for prefix in asset.prefixes
        }
        self._explicit: dict[tuple[GatewayId | None, TagPath], TagOf] = {}
        self._tags_by_asset: dict[AssetName, list[Tag]] = {}
        for tag in context.tags:
            self._explicit[tag.gateway_id, tag.path] = TagOf(tag.asset, tag.name)
            self._tags_by_asset.setdefault(tag.asset, []).append(tag)
        self._bindings = tuple(_served(context.bindings, models))
        self._resolved: dict[tuple[GatewayId, TagPath], TagOf | None] = {}
        self._bound: dict[AssetName, BoundAsset | None] = {}
        self._bound_alike: dict[tuple[BindingName, ...], BoundAsset] = {}
        # By gateway, then path: a path's own hash finds it, with no key to be made for it.
        self._places: defaultdict[str, dict[str, Place | None]] = defaultdict(dict)
        self._places_known = 0

    def place(self, gateway_id: str, path: str) -> Place | None:
        """Find where a reading of a tag belongs; None where nothing is asked about its asset."""
        known = self._places[gateway_id]
        try:
            return known[path]
        except KeyError:
            if self._places_known >= _REMEMBERED_PLACES:
                self._places.clear()
                self._places_known = 0
            self._places_known += 1
            place = self._places[gateway_id][path] = self._place(GatewayId(gateway_id), path)
            return place

    def resolve(self, gateway_id: GatewayId, path: TagPath) -> TagOf | None:
        """Find the asset of a tag: given by hand, else by the longest prefix of its path."""
        key = (gateway_id, path)
        try:
            return self._resolved[key]
        except KeyError:
            return _remember(self._resolved, key, self._resolve(gateway_id, path))

    def bound(self, name: AssetName) -> BoundAsset | None:
        """What is asked about an asset; None where nothing is."""
        try:
            return self._bound[name]
        except KeyError:
            return _remember(self._bound, name, self._bind(name))

    def tags_given_to(self, name: AssetName) -> Sequence[Tag]:
        """The tags given to an asset by hand."""
        return self._tags_by_asset.get(name, ())

    def _place(self, gateway_id: GatewayId, path: str) -> Place | None:
        tag_of = self._resolve(gateway_id, TagPath(path))
        bound = self.bound(tag_of.asset) if tag_of is not None else None
        # The same few names stand at every asset: each is kept once.
        return Place(bound, sys.intern(tag_of.tag)) if tag_of and bound else None

    def _resolve(self, gateway_id: GatewayId, path: TagPath) -> TagOf | None:
        by_hand = self._explicit.get((gateway_id, path)) or self._explicit.get((None, path))
        if by_hand is not None:
            return by_hand
        cut = path.rfind("/")
        while cut > 0:
            name = self._asset_by_prefix.get(path[:cut])
            if name is not None:
                return TagOf(name, path[cut + 1 :])
            cut = path.rfind("/", 0, cut)
        return None

    def _bind(self, name: AssetName) -> BoundAsset | None:
        asset = self._assets.get(name)
        if asset is None:
            return None
        bindings = [bound for binding, bound in self._bindings if binding.applies_to.covers(asset)]
        if not bindings:
            return None
        alike = tuple(binding.name for binding in bindings)
        known = self._bound_alike.get(alike)
        if known is not None:
            return replace(known, asset=asset)
        return self._bound_alike.setdefault(alike, bind_asset(asset, bindings))


def _served(bindings: Sequence[Binding], models: Models) -> Iterable[tuple[Binding, BoundBinding]]:
    for binding in bindings:
        frame = _frame_of(binding, models)
        if frame is not None and frame.mode is not FrameMode.SEQUENCE:
            target = models.target(binding.model, binding.model_version)
            yield binding, bind(binding, frame, target)


def _frame_of(binding: Binding, models: Models) -> FrameDefinition | None:
    if binding.frame is not None:
        return binding.frame
    version = models.find(binding.model, binding.model_version)
    return version.frame_definition if version else None


def _remember(memory: dict[K, V], key: K, value: V) -> V:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value
    return value
