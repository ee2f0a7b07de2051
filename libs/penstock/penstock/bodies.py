"""Bodies that people write and several services read: frames and bindings as JSON.

Every body refuses unknown fields, names the field in its errors, and turns into its domain noun.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from penstock.domain.assets import AppliesTo, Binding, BindingState, Decision, Trigger
from penstock.domain.frames import Aggregate, Feature, FrameDefinition, FrameMode
from penstock.domain.ids import AssetName, BindingName
from penstock.domain.time import HOUR, SECOND, Micros, format_duration, parse_duration


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Span = Annotated[
    Micros,
    BeforeValidator(_duration),
    PlainSerializer(lambda span: format_duration(Micros(span)), return_type=str),
    Field(ge=0, json_schema_extra={"type": "string", "examples": ["15m"]}),
]
"""A duration, written as `200ms`, `15m`, `6h`."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$")]
"""Name of an asset, model, binding ...: letters, digits, dot, underscore, colon, hyphen."""


class Body(BaseModel):
    """Base of every body: frozen, and strict about field names."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FeatureBody(Body):
    """One feature: a tag by its name within the asset."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    tag: Annotated[str, Field(min_length=1, max_length=255)]
    agg: Aggregate = Aggregate.LAST
    over: Span = Micros(0)
    categories: tuple[str, ...] = ()

    def to_domain(self) -> Feature:
        """Turn into the domain's noun."""
        return Feature(self.name, self.tag, self.agg, self.over, self.categories)


class FrameBody(Body):
    """How tags become features; `step` of a window is its `every`."""

    mode: FrameMode = FrameMode.ROW
    every: Span = Field(default=Micros(0), alias="step")
    max_staleness: Span = HOUR
    uncertain: Literal["keep", "drop"] = "keep"
    missing: Literal["nan"] = "nan"
    samples: Annotated[int, Field(ge=0, le=10_000)] = 0
    context: Annotated[int, Field(ge=0, le=10_000)] = 0
    features: Annotated[tuple[FeatureBody, ...], Field(max_length=1_000)] = ()

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    def to_domain(self) -> FrameDefinition:
        """Turn into the domain's noun; raise InvalidInput where it could never be computed."""
        return FrameDefinition(
            mode=self.mode,
            features=tuple(feature.to_domain() for feature in self.features),
            every=self.every,
            max_staleness=self.max_staleness,
            keep_uncertain=self.uncertain == "keep",
            samples=self.samples,
            context=self.context,
        )


class AppliesToBody(Body):
    """One asset, or all of an asset type."""

    asset: Name | None = None
    asset_type: Name | None = None
    sites: tuple[Name, ...] = ()
    exclude: tuple[Name, ...] = ()

    def to_domain(self) -> AppliesTo:
        """Turn into the domain's noun."""
        asset = AssetName(self.asset) if self.asset else None
        exclude = tuple(AssetName(name) for name in self.exclude)
        return AppliesTo(asset, self.asset_type, self.sites, exclude)


class ModelRef(Body):
    """A model and one of its versions, or its champion."""

    name: Name
    version: Annotated[str, Field(pattern=r"^(champion|v[0-9]+)$")] = "champion"


class TriggerBody(Body):
    """When the binding asks its model."""

    on: Literal["any"] | tuple[str, ...] = "any"
    every: Span = Micros(0)
    settle: Span = Micros(0)
    at_most_every: Span = Micros(0)

    def to_domain(self) -> Trigger:
        """Turn into the domain's noun."""
        on = () if self.on == "any" else self.on
        return Trigger(on, self.every, self.settle, self.at_most_every)


class RequireBody(Body):
    """What a frame must have before the model is asked."""

    min_features_present: Annotated[int, Field(ge=0)] = 1
    otherwise: Literal["skip_and_count"] = "skip_and_count"


class DecisionBody(Body):
    """Threshold that turns a probability or score into a decision."""

    label: Annotated[str, Field(max_length=64)] = "failure"
    alarm_at: float = 0.5
    clear_at: float | None = None
    for_: Span = Field(default=Micros(0), alias="for")

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )


class BindingBody(Body):
    """`PUT /v1/bindings/{name}`."""

    name: Name
    applies_to: AppliesToBody
    model: ModelRef
    frame: Literal["from_model"] | FrameBody = "from_model"
    state: BindingState = BindingState.ACTIVE
    trigger: TriggerBody = TriggerBody()
    grace: Span = HOUR
    require: RequireBody = RequireBody()
    decision: DecisionBody | None = None
    expect_prediction_every: Span = Micros(600 * SECOND)

    def to_domain(self) -> Binding:
        """Turn into the domain's noun; raise InvalidInput where its frame is impossible."""
        decision = Decision(self.decision.label, self.decision.alarm_at) if self.decision else None
        return Binding(
            name=BindingName(self.name),
            applies_to=self.applies_to.to_domain(),
            model=self.model.name,
            model_version=self.model.version,
            frame=None if self.frame == "from_model" else self.frame.to_domain(),
            state=self.state,
            trigger=self.trigger.to_domain(),
            grace=self.grace,
            min_features_present=self.require.min_features_present,
            decision=decision,
        )
