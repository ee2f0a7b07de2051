"""The body of a dataset: what to pull, and how readings become rows."""

from datetime import datetime
from typing import Annotated, Any, Literal

from penstock.bodies import Body, FrameBody, Name, Span
from penstock.domain.datasets import MOST_SLICES, Label, Pull, Recipe, SourceTag, Split
from penstock.domain.errors import InvalidInput
from penstock.domain.frames import FrameMode
from penstock.domain.ids import AssetName, TagPath
from penstock.domain.time import DAY, Micros, parse_iso, to_iso, to_micros
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    model_validator,
)

from training_orchestrator.body_faults import fault, not_yet

_DEFAULT_PATTERN = "/{site}/{asset}/{tag}"
_PATTERN_WITHOUT_SITE = "/{asset}/{tag}"


def _moment(value: object) -> object:
    try:
        if isinstance(value, datetime):
            return to_micros(value)
        return parse_iso(value) if isinstance(value, str) else value
    except ValueError as error:
        raise fault(f"not a time ({error}); as 2026-11-20T10:00:00Z it is one") from error


Moment = Annotated[
    Micros,
    BeforeValidator(_moment),
    PlainSerializer(lambda at: to_iso(Micros(at)), return_type=str),
    Field(json_schema_extra={"type": "string", "examples": ["2026-11-01T00:00:00Z"]}),
]
"""A time with a zone."""


class RangeBody(Body):
    """Half-open: readings at `from` are in, readings at `to` are not."""

    from_: Moment = Field(alias="from")
    to: Moment

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True,
        serialize_by_alias=True,
    )  # fmt: skip

    @model_validator(mode="after")
    def _in_order(self) -> "RangeBody":
        if self.from_ >= self.to:
            raise fault("`from` must be before `to`")
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
        not_yet("choosing assets by type is", "list them under dataset.assets.names"),
    ] = None

    @model_validator(mode="after")
    def _one_form(self) -> "AssetsBody":
        forms = [form for form in ("prefix", "prefixes", "tags") if getattr(self, form)]
        if len(forms) > 1 or (self.names and forms not in ([], ["prefix"])):
            raise fault("write only one of `names`, `prefix`, `prefixes` and `tags`")
        if not forms and not self.names:
            raise fault("name the assets, by `names`, `prefix`, `prefixes` or `tags`")
        if self.prefix and len(self.names) > 1:
            raise fault("one `prefix` is one asset; use `prefixes` or `tag_pattern` for several")
        if "{tag}" not in self.pattern or (len(self.names) > 1 and "{asset}" not in self.pattern):
            raise fault("`tag_pattern` needs {asset} and {tag}, as /SITE01/{asset}/{tag}")
        if not self._kept:
            raise fault("`exclude` leaves no asset")
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


class LabelBody(Body):
    """What the model is to learn: a tag of the asset (`column` means the same).

    A frame is 1 where the value equals `positive`; without it, where it is not 0 or false.
    """

    tag: Annotated[
        str,
        Field(min_length=1, max_length=255, validation_alias=AliasChoices("tag", "column")),
    ]
    positive: bool | float | str | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_an_outcome(cls, value: Any) -> Any:
        if isinstance(value, dict) and "outcome" in value:
            raise fault('labels from outcomes are not supported yet; use a tag: {"tag": "FAILURE"}')
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
            raise fault("`train`, `validation` and `test` must add up to 1")
        return self

    def to_domain(self) -> Split:
        """Turn into the domain's noun."""
        return Split(self.train, self.validation, self.test, self.gap)


def _trainable(frame: FrameBody) -> FrameBody:
    if frame.mode is FrameMode.SEQUENCE:
        raise fault("mode `sequence` is not supported in training yet; use `row` or `window`")
    if frame.context:
        raise fault("`context` (forecasts) is not supported yet; use `samples` for a window")
    try:
        frame.to_domain()
    except InvalidInput as error:
        raise fault(str(error).removeprefix("frame: ").removeprefix("frame.")) from error
    names = [feature.name for feature in frame.features]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise fault(f"features need names of their own; {', '.join(twice)} stands twice")
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
        Any, not_yet("forecasts (`target`) are", "use `label`, or neither to find anomalies")
    ] = None
    split: SplitBody = SplitBody()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7

    @model_validator(mode="after")
    def _can_be_planned(self) -> "DatasetBody":
        if self.label and self.label.tag in {feature.tag for feature in self.frame.features}:
            raise fault("the label's tag is a feature too: the model would only copy it")
        recipe = self.to_domain()
        lacking = {tag.asset for tag in recipe.tags}
        for asset in sorted(lacking):
            have = {tag.name for tag in recipe.tags if tag.asset == asset}
            if missing := sorted(self._names - have):
                raise fault(f"asset {asset} lists no tag for {', '.join(missing)}")
        if recipe.pull.slice_count > MOST_SLICES:
            raise fault(
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


def _which_dataset(value: object) -> str:
    is_ref = isinstance(value, DatasetRef) or (isinstance(value, dict) and "id" in value)
    return "ref" if is_ref else "pull"


AnyDataset = Annotated[
    Annotated[DatasetBody, Tag("pull")] | Annotated[DatasetRef, Tag("ref")],
    Discriminator(_which_dataset),
]
"""What to pull, or what was pulled before; told apart by `id`, so that faults stay few."""
