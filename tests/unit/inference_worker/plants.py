"""An asset, its bindings and its readings, as tests of the worker need them."""

from collections.abc import Sequence

from hypothesis import strategies as st
from inference_worker.arrivals import Arrival
from inference_worker.bound import BoundAsset, Target, bind, bind_asset
from penstock.domain.assets import AppliesTo, Asset, Binding, Trigger
from penstock.domain.frames import (
    NEEDS_SPAN,
    Aggregate,
    Feature,
    FrameDefinition,
    FrameMode,
)
from penstock.domain.ids import AssetName, BindingName, PackId, TagPath
from penstock.domain.readings import Quality, Value
from penstock.domain.samples import Sample
from penstock.domain.time import Micros

PUMP = Asset(AssetName("P-101"), "SITE01", "pump", (TagPath("/SITE01/P-101"),))
TAGS = ("TEMP", "VIBRATION", "PRESSURE")
TARGET = Target("pump-failure", "v1", "xgboost", "pump-failure")
FOR_EVER = Micros(2**60)


def sample(
    at: int, value: Value = 1.0, quality: Quality = Quality.GOOD, accepted_at: int | None = None
) -> Sample:
    return Sample(Micros(at), Micros(at if accepted_at is None else accepted_at), value, quality)


def arrival(
    at: int,
    value: Value = 1.0,
    *,
    tag: str = "TEMP",
    pack: str = "p0",
    quality: Quality = Quality.GOOD,
    accepted_at: int | None = None,
) -> Arrival:
    return Arrival(PackId(pack), tag, sample(at, value, quality, accepted_at))


def row(*features: Feature, **more: object) -> FrameDefinition:
    return FrameDefinition(mode=FrameMode.ROW, features=features, **more)  # type: ignore[arg-type]


def last(*tags: str) -> tuple[Feature, ...]:
    return tuple(Feature(tag.lower(), tag) for tag in tags)


def binding(
    frame: FrameDefinition | None = None,
    *,
    name: str = "pump-failure",
    trigger: Trigger | None = None,
    grace: int = FOR_EVER,
    min_features_present: int = 1,
) -> Binding:
    return Binding(
        name=BindingName(name),
        applies_to=AppliesTo(asset_type="pump"),
        model="pump-failure",
        frame=frame or row(*last("TEMP", "VIBRATION")),
        trigger=trigger or Trigger(),
        grace=Micros(grace),
        min_features_present=min_features_present,
    )


def bound(*bindings: Binding, target: Target | None = TARGET) -> BoundAsset:
    joined = [bind(one, one.frame, target) for one in bindings or (binding(),) if one.frame]
    return bind_asset(PUMP, joined)


@st.composite
def features(draw: st.DrawFn) -> Feature:
    aggregate = draw(st.sampled_from(Aggregate))
    over = draw(st.integers(1, 30)) if aggregate in NEEDS_SPAN else 0
    return Feature("f", draw(st.sampled_from(TAGS)), aggregate, Micros(over))


@st.composite
def frames(draw: st.DrawFn) -> FrameDefinition:
    kind = draw(st.sampled_from(["row", "row", "samples", "steps"]))
    steps = [4, 10] if kind == "steps" else [0, 0, 1, 4, 10]
    return FrameDefinition(
        mode=FrameMode.ROW if kind == "row" else FrameMode.WINDOW,
        features=tuple(draw(st.lists(features(), min_size=1, max_size=3))),
        every=Micros(draw(st.sampled_from(steps))),
        max_staleness=Micros(draw(st.integers(1, 60))),
        keep_uncertain=draw(st.booleans()),
        samples=draw(st.integers(1, 3)) if kind == "samples" else 0,
        context=draw(st.integers(1, 4)) if kind == "steps" else 0,
    )


triggers = st.builds(
    Trigger,
    on=st.sampled_from([(), (), ("TEMP",), ("PRESSURE", "TEMP")]),
    every=st.sampled_from([Micros(0), Micros(0), Micros(0), Micros(7)]),
    settle=st.sampled_from([Micros(0), Micros(2)]),
    at_most_every=st.sampled_from([Micros(0), Micros(12)]),
)


@st.composite
def bindings(draw: st.DrawFn) -> list[Binding]:
    count = draw(st.integers(1, 2))
    return [
        binding(
            draw(frames()),
            name=f"b{number}",
            trigger=draw(triggers),
            min_features_present=draw(st.integers(0, 2)),
        )
        for number in range(count)
    ]


samples = st.builds(
    sample,
    at=st.integers(0, 100),
    value=st.sampled_from([None, 0.5, 1.5, 2.5, 3.5, "OPEN"]),
    quality=st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.UNCERTAIN, Quality.BAD]),
    accepted_at=st.integers(0, 4),
)


@st.composite
def packs(draw: st.DrawFn) -> list[list[Arrival]]:
    """Packs of one asset: mostly scans in order, some out of nowhere."""
    count = draw(st.integers(1, 9))
    made = []
    for number in range(count):
        pack = PackId(f"p{number}")
        scan = number * 11
        arrivals = [
            Arrival(pack, tag, sample(scan + offset, draw(st.integers(0, 9)), accepted_at=number))
            for offset in draw(st.sampled_from([[], [0], [0, 3, 6, 9]]))
            for tag in draw(st.sampled_from([TAGS, TAGS[:1], TAGS[1:]]))
        ]
        strays = draw(st.lists(st.tuples(st.sampled_from(TAGS), samples), max_size=3))
        made.append([*arrivals, *(Arrival(pack, tag, stray) for tag, stray in strays)])
    return made


def all_of(packs: Sequence[Sequence[Arrival]]) -> list[Arrival]:
    return [arrival for pack in packs for arrival in pack]
