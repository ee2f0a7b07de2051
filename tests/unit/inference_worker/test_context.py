"""Which asset a tag belongs to, and what is asked about it."""

from dataclasses import replace

import pytest
from inference_worker.context import Snapshot, TagOf, models_of
from inference_worker.context_keeper import ContextKeeper
from penstock.adapters.memory import MemoryKeyValueStore
from penstock.domain.assets import AppliesTo, Asset, Context, Tag, Trigger
from penstock.domain.errors import StoreUnavailable
from penstock.domain.frames import FrameDefinition
from penstock.domain.ids import AssetName, GatewayId, TagPath
from penstock.domain.time import MINUTE, SECOND, Micros
from penstock.registry import ModelRegistry
from penstock.runtime.telemetry import Metrics

from tests.unit.inference_worker.plants import PUMP, binding, last, row
from tests.unit.inference_worker.worlds import MemoryContext, version

LINE = Asset(AssetName("LINE-1"), "SITE01", "line", (TagPath("/SITE01"), TagPath("/SITE01/L1/")))
GATEWAY = GatewayId("gw-7")


def snapshot(context: Context | None = None, *versions: str) -> Snapshot:
    made = [version(number=int(name[1:])) for name in versions or ("v1",)]
    models = models_of(made, {"pump-failure": made[-1].version})
    return Snapshot(context or Context(1, (PUMP, LINE), (), (binding(),)), models)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/SITE01/P-101/TEMP", ("P-101", "TEMP")),
        ("/SITE01/P-101/MOTOR/TEMP", ("P-101", "MOTOR/TEMP")),
        ("/SITE01/P-1010/TEMP", ("LINE-1", "P-1010/TEMP")),
        ("/SITE01/L1/SPEED", ("LINE-1", "SPEED")),
        ("/SITE01/P-101", ("LINE-1", "P-101")),
        ("/SITE02/P-101/TEMP", None),
        ("TEMP", None),
        ("", None),
    ],
)
def test_the_longest_prefix_owns_a_tag(path: str, expected: tuple[str, str] | None) -> None:
    for _ in range(2):  # the second answer is remembered
        assert snapshot().resolve(GATEWAY, TagPath(path)) == expected


def test_a_tag_given_by_hand_wins_and_one_of_the_gateway_over_one_of_any() -> None:
    path = TagPath("/SITE01/P-101/TEMP")
    any_gateway = Tag(path, LINE.name, "ambient")
    of_gateway = Tag(path, PUMP.name, "casing", GATEWAY)
    asked = snapshot(Context(1, (PUMP, LINE), (any_gateway, of_gateway), ()))
    assert asked.resolve(GATEWAY, path) == TagOf(PUMP.name, "casing")
    assert asked.resolve(GatewayId("gw-8"), path) == TagOf(LINE.name, "ambient")
    assert asked.tags_given_to(PUMP.name) == [of_gateway]


def test_a_place_is_an_asset_that_something_is_asked_about_and_the_tags_name_there() -> None:
    asked = snapshot()
    for _ in range(2):  # the second answer is remembered
        place = asked.place("gw-7", "/SITE01/P-101/TEMP")
        assert place is not None
        assert place.bound is asked.bound(PUMP.name)
        assert place.tag == "TEMP"
        assert asked.place("gw-7", "/SITE01/L1/SPEED") is None, "nothing is asked of a line"
        assert asked.place("gw-7", "/SITE02/P-101/TEMP") is None, "no asset has it"


def test_places_of_two_gateways_with_one_path_are_told_apart() -> None:
    path = TagPath("/SITE01/P-101/TEMP")
    given = Tag(path, PUMP.name, "casing", GATEWAY)
    asked = snapshot(Context(1, (PUMP, LINE), (given,), (binding(),)))
    names = [place and place.tag for gateway in ("gw-7", "gw-8", "gw-7")
             for place in [asked.place(gateway, path)]]  # fmt: skip
    assert names == ["casing", "TEMP", "casing"]


def test_assets_with_the_same_bindings_are_bound_alike_each_as_itself() -> None:
    other = replace(PUMP, name=AssetName("P-102"), prefixes=(TagPath("/SITE01/P-102"),))
    asked = snapshot(Context(1, (PUMP, other), (), (binding(),)))
    first, second = asked.bound(PUMP.name), asked.bound(other.name)
    assert first is not None
    assert second is not None
    assert (first.asset, second.asset) == (PUMP, other)
    assert first.bindings == second.bindings
    assert first.keeping == second.keeping


def test_an_asset_with_other_bindings_is_bound_by_its_own() -> None:
    other = replace(PUMP, name=AssetName("P-102"), prefixes=(TagPath("/SITE01/P-102"),))
    not_there = AppliesTo(asset_type="pump", exclude=(other.name,))
    second = replace(binding(name="second"), applies_to=not_there)
    asked = snapshot(Context(1, (PUMP, other), (), (binding(name="first"), second)))
    names = {}
    for asset in (PUMP, other):
        bound = asked.bound(asset.name)
        assert bound is not None
        names[asset.name] = [one.name for one in bound.bindings]
    assert names == {PUMP.name: ["first", "second"], other.name: ["first"]}


def test_a_binding_meets_the_assets_of_its_type_less_the_excluded() -> None:
    other = replace(PUMP, name=AssetName("P-117"), prefixes=())
    applies = AppliesTo(asset_type="pump", exclude=(other.name,))
    bound = replace(binding(), applies_to=applies)
    asked = snapshot(Context(1, (PUMP, other, LINE), (), (bound,)))
    assert asked.bound(PUMP.name) is not None
    assert asked.bound(other.name) is None
    assert asked.bound(LINE.name) is None
    assert asked.bound(AssetName("nobody")) is None


def test_the_champion_is_asked_by_weights_and_a_version_by_its_variant() -> None:
    pinned = replace(binding(name="pinned"), model_version="v1")
    asked = snapshot(Context(1, (PUMP,), (), (binding(), pinned)), "v1", "v2")
    bound = asked.bound(PUMP.name)
    assert bound is not None
    champion, one = (each.target for each in bound.asking)
    assert champion is not None
    assert one is not None
    assert (champion.version, champion.variant) == ("v2", "")
    assert (one.version, one.variant) == ("v1", "v1")


def test_a_frame_from_the_model_is_that_of_the_version_asked() -> None:
    from_model = replace(binding(), frame=None)
    asked = snapshot(Context(1, (PUMP,), (), (from_model,)))
    bound = asked.bound(PUMP.name)
    assert bound is not None
    assert bound.tags == {"TEMP", "VIBRATION"}


def test_a_binding_to_a_model_without_a_champion_only_keeps_the_state_warm() -> None:
    unserved = replace(binding(), model="nobody")
    from_model = replace(binding(name="b2"), model="nobody", frame=None)
    bound = snapshot(Context(1, (PUMP,), (), (unserved, from_model))).bound(PUMP.name)
    assert bound is not None
    assert [one.name for one in bound.bindings] == ["pump-failure"]
    assert bound.asking == ()


@pytest.mark.parametrize(
    ("frame", "trigger", "every", "grid", "is_clocked"),
    [
        (row(*last("TEMP")), Trigger(), 0, 0, False),
        (row(*last("TEMP")), Trigger(settle=Micros(200)), 200, 200, False),
        (row(*last("TEMP")), Trigger(settle=Micros(2), at_most_every=SECOND), SECOND, SECOND,
         False),
        (row(*last("TEMP"), every=MINUTE), Trigger(settle=SECOND), MINUTE, MINUTE, False),
        (row(*last("TEMP"), every=SECOND), Trigger(at_most_every=MINUTE), SECOND, MINUTE, False),
        (row(*last("TEMP")), Trigger(every=MINUTE), 0, MINUTE, True),
    ],
)  # fmt: skip
def test_frame_and_trigger_settle_the_event_times(
    frame: FrameDefinition, trigger: Trigger, every: int, grid: int, is_clocked: bool
) -> None:
    asked = snapshot(Context(1, (PUMP,), (), (binding(frame, trigger=trigger),)))
    bound = asked.bound(PUMP.name)
    assert bound is not None
    (one,) = bound.bindings
    assert (one.frame.every, one.grid, one.is_clocked) == (every, grid, is_clocked)


async def keeper(reader: MemoryContext) -> ContextKeeper:
    registry = ModelRegistry(MemoryKeyValueStore())
    await registry.register(version())
    return ContextKeeper(reader, registry, metrics=Metrics("test"))


async def test_the_context_is_read_anew_only_when_its_version_rose() -> None:
    reader = MemoryContext(Context(1, (PUMP,), (), (binding(),)))
    kept = await keeper(reader)
    await kept.refresh()
    first = kept.current()
    await kept.refresh()
    assert kept.current() is first
    reader.context = Context(2, (PUMP, LINE), (), ())
    await kept.refresh()
    assert kept.current().bound(PUMP.name) is None


async def test_the_last_context_serves_while_aurora_is_down() -> None:
    reader = MemoryContext(Context(1, (PUMP,), (), (binding(),)))
    kept = await keeper(reader)
    reader.is_down = True
    await kept.refresh()
    with pytest.raises(StoreUnavailable):
        await kept.check()
    reader.is_down = False
    await kept.refresh()
    reader.is_down = True
    await kept.refresh()
    await kept.check()
    assert kept.current().bound(PUMP.name) is not None
