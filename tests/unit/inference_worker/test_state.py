"""The state of an asset as it is kept: small, exact, and written by one worker at a time."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_worker.arrivals import Arrival
from inference_worker.plan import plan
from inference_worker.state import (
    STATE_LIMIT,
    AssetState,
    decode_state,
    encode_state,
    encode_within,
)
from inference_worker.state_store import StateStore
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.errors import VersionConflict
from penstock.domain.frames import (
    NotHeld,
    compute_frame,
)
from penstock.domain.ids import AssetName, PackId
from penstock.domain.readings import Quality
from penstock.domain.samples import NEVER, Sample, TagSamples
from penstock.domain.time import SECOND, Micros
from penstock.resources import STATE
from penstock.runtime.clock import new_id

from tests.factories import NOON
from tests.unit.inference_worker.plants import binding, bound, last, row, sample

PUMP_NAME = AssetName("P-101")

samples = st.builds(
    Sample,
    at=st.integers(0, 2**53).map(Micros),
    accepted_at=st.integers(0, 2**53).map(Micros),
    value=st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53),
                    st.floats(allow_nan=False), st.text(max_size=9)),
    quality=st.sampled_from(Quality),
)  # fmt: skip
states = st.builds(
    AssetState,
    samples=st.dictionaries(
        st.text(max_size=9),
        st.builds(
            TagSamples,
            st.lists(samples, max_size=5).map(tuple),
            st.one_of(st.just(NEVER), st.integers(0, 2**53).map(Micros)),
        ),
        max_size=4,
    ),
    newest=st.integers(0, 2**53).map(Micros),
    packs=st.lists(st.text(max_size=26).map(PackId), max_size=16).map(tuple),
    version=st.integers(1, 2**31),
)


@given(states)
def test_a_state_comes_back_as_it_was_written(state: AssetState) -> None:
    assert decode_state(encode_state(state), state.version) == state


def test_twenty_tags_a_scan_a_second_stay_within_two_write_units() -> None:
    """The promise: at most 0.11 write units a reading, of 1 KiB each, when 20 come together."""
    tags = [f"TAG{number}" for number in range(20)]
    asset = bound(binding(row(*last(*tags))))
    noise = random.Random(7)
    clock = FakeClock(NOON)
    state = AssetState()
    for second in range(60):
        at = NOON + second * SECOND + noise.randrange(1_000)
        pack = PackId(new_id(clock))
        accepted_at = Micros(at + noise.randrange(30_000, 90_000))
        scan = [
            Arrival(pack, tag, Sample(Micros(at), accepted_at, noise.gauss(50, 9), Quality.GOOD))
            for tag in tags
        ]
        archived = replace(state, packs=state.packs[-30:])  # the archive is half a minute behind
        state = plan(asset, archived, scan).state
        clock.advance(seconds=1)
    names_and_key = len("key") + len("live#P-101") + len("version") + 5 + len("body")
    assert len(encode_state(state)) + names_and_key <= 2 * 1024


def test_a_state_too_large_lets_go_of_its_longest_tag_and_says_so() -> None:
    noise = random.Random(7)
    wave = TagSamples(tuple(sample(at, noise.random()) for at in range(20_000)))
    quiet = TagSamples((sample(5, 1.0),))
    state = AssetState({"WAVE": wave, "QUIET": quiet}, Micros(20_000), (), 3)
    kept, body = encode_within(state)
    assert len(body) <= STATE_LIMIT
    assert decode_state(body, 3) == kept
    assert kept.samples["QUIET"] == quiet
    assert len(kept.samples["WAVE"].samples) >= 2_000
    older = kept.samples["WAVE"].trimmed_until
    assert compute_frame(row(*last("WAVE")), kept.samples, older) == NotHeld("WAVE")


async def test_a_write_on_an_old_version_is_refused_and_the_cache_forgets_it() -> None:
    table = MemoryKeyValueStore()
    one, other = StateStore(table), StateStore(table)
    empty = await one.read(PUMP_NAME)
    assert await other.read(PUMP_NAME) == empty == AssetState()
    first = AssetState({"TEMP": TagSamples((sample(1),))}, Micros(1), (), 1)
    await one.write(PUMP_NAME, empty, first)
    with pytest.raises(VersionConflict):
        await other.write(PUMP_NAME, empty, first)
    assert await other.read(PUMP_NAME) == first
    second = AssetState(first.samples, Micros(2), (), 2)
    await other.write(PUMP_NAME, first, second)
    with pytest.raises(VersionConflict):
        await one.write(PUMP_NAME, first, second)
    assert await one.read(PUMP_NAME) == second


async def test_lanes_keep_states_of_their_own() -> None:
    table = MemoryKeyValueStore()
    live, replay = StateStore(table), StateStore(table, lane="replay")
    state = AssetState({}, Micros(1), (), 1)
    await live.write(PUMP_NAME, AssetState(), state)
    assert await replay.read(PUMP_NAME) == AssetState()
    assert set(table.items[STATE.name]) == {("live#P-101",)}


async def test_the_cache_is_bounded() -> None:
    table = MemoryKeyValueStore()
    store = StateStore(table, cached_states=2)
    for number in range(5):
        await store.read(AssetName(f"P-{number}"))
    assert len(store._cache) == 2
