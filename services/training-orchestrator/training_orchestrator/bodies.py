"""Bodies of the training API, each turning into its domain noun.

What another release will bring is known by name here, so that it is refused with a sentence
instead of being read as a typing error.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from penstock.bodies import Body, FrameBody, Name, Span
from penstock.domain.datasets import MOST_SLICES, Label, Pull, Recipe, SourceTag, Split
from penstock.domain.errors import InvalidInput
from penstock.domain.frames import FrameMode
from penstock.domain.ids import AssetName, TagPath
from penstock.domain.time import DAY, HOUR, Micros, parse_iso, to_iso, to_micros
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

T = TypeVar("T")
_DEFAULT_PATTERN = "/{site}/{asset}/{tag}"
_PATTERN_WITHOUT_SITE = "/{asset}/{tag}"


def _fault(message: str) -> PydanticCustomError:
    return PydanticCustomError("fault", "{message}", {"message": message})


def _moment(value: object) -> object:
    try:
        if isinstance(value, datetime):
            return to_micros(value)
        return parse_iso(value) if isinstance(value, str) else value
    except ValueError as error:
        raise _fault(f"{error}; write it in UTC, as 2026-11-20T10:00:00Z") from error


def _later(what: str, instead: str) -> BeforeValidator:
    """Refuse a field that this release does not support, saying what to do instead."""

    def refuse(value: T) -> T:
        if value in (None, "none", []):
            return value
        raise _fault(f"{what} not supported yet; {instead}")

    return BeforeValidator(refuse)


Moment = Annotated[
    Micros,
    BeforeValidator(_moment),
    PlainSerializer(lambda at: to_iso(Micros(at)), return_type=str),
    Field(json_schema_extra={"type": "string", "examples": ["2026-11-01T00:00:00Z"]}),
]
"""A time with a zone."""


class AliasedBody(Body):
    """A body with a field whose JSON name is a word of Python."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True,
        serialize_by_alias=True,
    )  # fmt: skip


class RangeBody(AliasedBody):
    """Half-open: readings at `from` are in, readings at `to` are not."""

    from_: Moment = Field(alias="from")
    to: Moment

    @model_validator(mode="after")
    def _in_order(self) -> "RangeBody":
        if self.from_ >= self.to:
            raise _fault("`from` must be before `to`")
        return self


class AssetsBody(Body):
    """Which tags of the source belong to which asset: write one of `names`, `prefix`, `prefixes`
    and `tags`, or leave `assets` out where the source itself is one asset.

    - `{"names": ["P-101", "P-102"], "tag_pattern": "/SITE01/{asset}/{tag}"}`: the tag TEMP of a
      frame is read from `/SITE01/P-101/TEMP`. Without a pattern it is `/{site}/{asset}/{tag}` with
      one `sites`, else `/{asset}/{tag}`.
    - `{"prefix": "/AI4I/M1"}`: one asset, named by the last part (or by `names`).
    - `{"prefixes": {"P-101": "/SITE01/LINE2/P-101"}}`: a prefix for each asset.
    - `{"tags": {"P-101": {"TEMP": "/OLD/T4711"}}}`: every tag by hand.
    """

    names: tuple[Name, ...] = ()
    sites: tuple[Name, ...] = ()
    exclude: tuple[Name, ...] = ()
    tag_pattern: str | None = None
    prefix: str | None = None
    prefixes: dict[Name, str] = Field(default_factory=dict)
    tags: dict[Name, dict[str, str]] = Field(default_factory=dict)
    type: Annotated[
        str | None,
        _later("choosing assets by type is", "list them under dataset.assets.names"),
    ] = None

    @model_validator(mode="after")
    def _one_form(self) -> "AssetsBody":
        forms = [form for form in ("prefix", "prefixes", "tags") if getattr(self, form)]
        if len(forms) > 1 or (self.names and forms not in ([], ["prefix"])):
            raise _fault("write only one of `names`, `prefix`, `prefixes` and `tags`")
        if not forms and not self.names:
            raise _fault("name the assets, by `names`, `prefix`, `prefixes` or `tags`")
        if self.prefix and len(self.names) > 1:
            raise _fault("one `prefix` is one asset; use `prefixes` or `tag_pattern` for several")
        if "{tag}" not in self.pattern or (len(self.names) > 1 and "{asset}" not in self.pattern):
            raise _fault("`tag_pattern` needs {asset} and {tag}, as /SITE01/{asset}/{tag}")
        if not self._kept:
            raise _fault("`exclude` leaves no asset")
        return self

    @property
    def pattern(self) -> str:
        """Pattern of tag paths, defaults filled in."""
        if self.tag_pattern:
            return self.tag_pattern
        return _DEFAULT_PATTERN if len(self.sites) == 1 else _PATTERN_WITHOUT_SITE

    @property
    def _kept(self) -> list[str]:
        if self.prefix:
            return [*(self.names or [self.prefix.rstrip("/").rpartition("/")[2]])]
        named = [*self.names, *self.prefixes, *self.tags]
        return [name for name in named if name not in self.exclude]

    def source_tags(self, names: tuple[str, ...]) -> tuple[SourceTag, ...]:
        """Every tag that the dataset needs; an asset by hand lacks the tags it does not list."""
        return tuple(
            SourceTag(TagPath(path), AssetName(asset), name)
            for asset in self._kept
            for name in names
            if (path := self._path(asset, name))
        )

    def _path(self, asset: str, name: str) -> str | None:
        if self.tags:
            return self.tags[asset].get(name)
        prefix = self.prefix or self.prefixes.get(asset)
        if prefix:
            return f"{prefix.rstrip('/')}/{name}"
        site = self.sites[0] if self.sites else ""
        parts = {"{site}": site, "{asset}": asset, "{tag}": name}
        path = self.pattern
        for placeholder, part in parts.items():
            path = path.replace(placeholder, part)
        return path


class SlicingBody(Body):
    """How the pull is cut; each slice is fetched and retried alone."""

    window: Annotated[Span, Field(gt=0)] = DAY
    tags_per_request: Annotated[int, Field(ge=1, le=1_000)] = 10
    page_size: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000


class LabelBody(AliasedBody):
    """What the model is to learn: a tag of the asset (`column` means the same).

    A frame is 1 where the value equals `positive`; without it, where it is not 0 or false.
    """

    tag: Annotated[str, Field(alias="column", min_length=1, max_length=255)]
    positive: bool | float | str | None = None

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True,
        serialize_by_alias=False,
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _not_an_outcome(cls, value: Any) -> Any:
        if isinstance(value, dict) and "outcome" in value:
            raise _fault(
                'labels from outcomes are not supported yet; use a tag: {"tag": "FAILURE"}'
            )
        return value

    def to_domain(self) -> Label:
        """Turn into the domain's noun."""
        return Label(self.tag, self.positive)


class SplitBody(Body):
    """Shares of the time that the rows cover, in order; `gap` is left out between two parts."""

    by: Literal["time"] = "time"
    train: Annotated[float, Field(gt=0, lt=1)] = 0.7
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    gap: Span = Micros(0)

    @model_validator(mode="after")
    def _whole(self) -> "SplitBody":
        if abs(self.train + self.validation + self.test - 1) > 1e-6:
            raise _fault("`train`, `validation` and `test` must add up to 1")
        return self

    def to_domain(self) -> Split:
        """Turn into the domain's noun."""
        return Split(self.train, self.validation, self.test, self.gap)


def _trainable(frame: FrameBody) -> FrameBody:
    if frame.mode is FrameMode.SEQUENCE:
        raise _fault("mode `sequence` is not supported in training yet; use `row` or `window`")
    if frame.context:
        raise _fault("`context` (forecasts) is not supported yet; use `samples` for a window")
    try:
        frame.to_domain()
    except InvalidInput as error:
        raise _fault(str(error).removeprefix("frame: ").removeprefix("frame.")) from error
    names = [feature.name for feature in frame.features]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _fault(f"features need names of their own; {', '.join(twice)} stands twice")
    return frame


class DatasetBody(Body):
    """What to pull, and how readings become rows."""

    source: Name
    range: RangeBody
    assets: AssetsBody | None = None
    slicing: SlicingBody = SlicingBody()
    frame: Annotated[FrameBody, AfterValidator(_trainable)]
    label: LabelBody | None = None
    target: Annotated[
        Any, _later("forecasts (`target`) are", "use `label`, or neither to find anomalies")
    ] = None
    split: SplitBody = SplitBody()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7

    @model_validator(mode="after")
    def _can_be_planned(self) -> "DatasetBody":
        if self.label and self.label.tag in {feature.tag for feature in self.frame.features}:
            raise _fault("the label's tag is a feature too: the model would only copy it")
        recipe = self.to_domain()
        lacking = {tag.asset for tag in recipe.tags}
        for asset in sorted(lacking):
            have = {tag.name for tag in recipe.tags if tag.asset == asset}
            if missing := sorted(self._names - have):
                raise _fault(f"asset {asset} lists no tag for {', '.join(missing)}")
        if recipe.pull.slice_count > MOST_SLICES:
            raise _fault(
                f"{recipe.pull.slice_count:,} slices are more than {MOST_SLICES:,};"
                " raise slicing.window or slicing.tags_per_request"
            )
        return self

    @property
    def _names(self) -> set[str]:
        return {feature.tag for feature in self.frame.features} | (
            {self.label.tag} if self.label else set()
        )

    def to_domain(self) -> Recipe:
        """Turn into the domain's noun."""
        frame = self.frame.to_domain()
        names = (*frame.tags, *([self.label.tag] if self.label else []))
        assets = self.assets
        tags = (
            assets.source_tags(names)
            if assets
            else tuple(SourceTag(TagPath(n), AssetName(self.source), n) for n in names)
        )
        pull = Pull(
            source=self.source,
            since=self.range.from_,
            until=self.range.to,
            tags=tuple(dict.fromkeys(tag.path for tag in tags)),
            window=self.slicing.window,
            tags_per_request=self.slicing.tags_per_request,
            page_size=self.slicing.page_size,
        )
        label = self.label.to_domain() if self.label else None
        return Recipe(pull, tags, frame, label, self.split.to_domain(), self.seed)


class DatasetRef(Body):
    """A dataset that was prepared before."""

    id: Annotated[str, Field(pattern=r"^ds_[0-9a-z]{26}$")]


class InstanceBody(Body):
    """The machine that SageMaker gives."""

    type: Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")] = "ml.m5.xlarge"
    count: Annotated[int, Field(ge=1, le=16)] = 1
    volume_gb: Annotated[int, Field(ge=1, le=1_000)] = 30


class StopBody(Body):
    """When to give up a training by itself."""

    max_runtime: Annotated[Span, Field(ge=60_000_000, le=5 * DAY)] = Micros(2 * HOUR)
    when: Annotated[str | None, _later("stopping on a metric is", "use train.stop.max_runtime")] = (
        None
    )


class TrainBody(Body):
    """Which algorithm learns, with what; the default is xgboost with a label, else
    randomcutforest.
    """

    algorithm: str | None = None
    hyperparameters: dict[str, bool | int | float | str] = Field(default_factory=dict)
    instance: InstanceBody = InstanceBody()
    stop: StopBody = StopBody()


Metric = Literal["roc_auc", "pr_auc", "log_loss"]


class EvaluateBody(Body):
    """The gate: what the model must reach on the test rows before it may serve.

    `min` is for roc_auc and pr_auc, `max` for log_loss; a model without a label is not judged.
    """

    metric: Metric = "pr_auc"
    min: float | None = None
    max: float | None = None
    beat_champion_by: float | None = None
    calibrate: Annotated[str | None, _later("calibration is", "leave it out")] = None

    @model_validator(mode="after")
    def _sided(self) -> "EvaluateBody":
        if self.metric == "log_loss" and self.min is not None:
            raise _fault("a smaller log_loss is better: write `max` instead of `min`")
        if self.metric != "log_loss" and self.max is not None:
            raise _fault(f"a greater {self.metric} is better: write `min` instead of `max`")
        return self


class ServeInstanceBody(Body):
    """The machines behind a variant."""

    type: Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")] = "ml.m5.large"
    count: Annotated[int, Field(ge=1, le=100)] = 1


def _strategy(value: object) -> object:
    if value in {"canary", "linear", "shadow", "ab"}:
        raise _fault(f"strategy `{value}` is not supported yet; use `all_at_once`")
    return value


class RolloutBody(Body):
    """How the version gets its traffic; `register_only` deploys nothing."""

    endpoint: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9]){0,39}$")] = None
    strategy: Annotated[Literal["all_at_once", "register_only"], BeforeValidator(_strategy)] = (
        "all_at_once"
    )
    instance: ServeInstanceBody = ServeInstanceBody()
    steps: Annotated[list[int] | None, _later("shifting by steps is", "leave it out")] = None
    bake: Annotated[str | None, _later("a bake time is", "leave it out")] = None
    approval: Annotated[
        str | None, _later("approval by hand is", "use strategy `register_only` and promote")
    ] = None
    rollback_on: Annotated[
        dict[str, float] | None, _later("rollback by alarm is", "leave it out")
    ] = None


class JobBody(Body):
    """`POST /v1/jobs`: pull, prepare, train, evaluate, deploy."""

    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9]){0,39}$")]
    dataset: DatasetBody | DatasetRef
    train: TrainBody = TrainBody()
    evaluate: EvaluateBody = EvaluateBody()
    rollout: RolloutBody = RolloutBody()
