"""The property of the system: whatever the order, the repeats and the crashes, after corrections
the greatest revision of every prediction was made from all readings, as if they had come at once.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from inference_worker.arrivals import Arrival, Range
from inference_worker.bound import BoundAsset
from inference_worker.owed import is_too_empty
from inference_worker.plan import Plan, plan
from inference_worker.recompute import ArchivedReading, history_of, recompute
from inference_worker.state import AssetState
from inference_worker.triggers import event_times, trigger_times
from penstock.channels.deferred import FrameRow
from penstock.domain.assets import Binding
from penstock.domain.frames import (
    Frame,
    compute_frame,
)
from penstock.domain.ids import PackId
from penstock.domain.samples import NEVER, TagSamples
from penstock.domain.time import Micros

from tests.properties import examples
from tests.unit.inference_worker.plants import FOR_EVER, all_of, bindings, bound, packs

Identity = tuple[str, int]


class Plant:
    """Workers that share an asset's state, and an archive that lags behind them."""

    def __init__(self, asset: BoundAsset, packs: Sequence[Sequence[Arrival]]) -> None:
        self.asset = asset
        self.packs = packs
        self.states = [AssetState()]
        self.acked: set[int] = set()
        self.archived: set[PackId] = set()
        self.corrections: list[tuple[Range, int, set[PackId]]] = []
        self.asked: list[Sequence[FrameRow]] = []
        self.published: dict[Identity, FrameRow] = {}

    def deliver(self, number: int, *, stale_by: int, crashes: bool) -> None:
        """One delivery of a pack to a worker whose cached state may be behind."""
        cached = self.states[max(0, len(self.states) - 1 - stale_by)]
        planned = plan(self.asset, self._tidied(cached), self.packs[number])
        if planned.is_changed and cached is not self.states[-1]:
            planned = plan(self.asset, self._tidied(self.states[-1]), self.packs[number])
        if planned.is_changed:
            self.states.append(planned.state)
        if not crashes:
            self._send_corrections(planned, number)
            self.asked.append(planned.rows)
            self.acked.add(number)

    def _tidied(self, state: AssetState) -> AssetState:
        """Without the packs that a correction need not wait for: the archive has them."""
        return replace(
            state, packs=tuple(pack for pack in state.packs if pack not in self.archived)
        )

    def archive(self, number: int) -> None:
        self.archived |= {arrival.pack_id for arrival in self.packs[number]}

    def correct(self, random: random.Random) -> None:
        """Handle, in any order, some of the corrections whose packs are archived."""
        random.shuffle(self.corrections)
        waiting = []
        for correction in self.corrections:
            range_, revision, packs = correction
            if packs <= self.archived:
                self.asked.append(self._recompute(range_, revision))
            else:
                waiting.append(correction)
        self.corrections = waiting

    def answer(self, random: random.Random) -> None:
        """A model answers one of those who asked: not in the order of their asking."""
        if self.asked:
            rows = self.asked.pop(random.randrange(len(self.asked)))
            for row in rows:
                held = self.published.get((row.binding, row.event_time))
                if held is None or row.revision >= held.revision:
                    self.published[row.binding, row.event_time] = row

    def _send_corrections(self, planned: Plan, number: int) -> None:
        packs = {arrival.pack_id for arrival in self.packs[number]} | set(planned.state.packs)
        for range_ in planned.ranges:
            self.corrections.append((range_, planned.state.version, packs))

    def _recompute(self, range_: Range, revision: int) -> Sequence[FrameRow]:
        readings = [
            ArchivedReading(arrival.tag, arrival.sample)
            for arrival in all_of(self.packs)
            if arrival.pack_id in self.archived
        ]
        history = history_of(readings, self.asset, since=Micros(NEVER + 1))
        return recompute(self.asset, history, range_, revision=revision).rows


def truth(asset: BoundAsset, packs: Sequence[Sequence[Arrival]]) -> dict[Identity, Frame | None]:
    """Every event time that all readings ask at, with its frame where there is one to ask about."""
    union: dict[str, TagSamples] = {}
    for arrival in all_of(packs):
        if arrival.tag in asset.tags:
            known = union.get(arrival.tag, TagSamples())
            union[arrival.tag] = known.merged([arrival.sample])
    told: dict[Identity, Frame | None] = {}
    for binding in asset.asking:
        times = trigger_times(binding, union)
        for at in event_times(binding, times, Micros(-FOR_EVER), FOR_EVER):
            frame = compute_frame(binding.frame, union, at)
            is_frame = isinstance(frame, Frame) and not is_too_empty(binding, frame)
            told[binding.name, at] = frame if is_frame and isinstance(frame, Frame) else None
    return told


def check(plant: Plant) -> None:
    expected = truth(plant.asset, plant.packs)
    assert set(plant.published) <= set(expected), "nothing is predicted that nothing asked for"
    for identity, frame in expected.items():
        if frame is not None:
            assert identity in plant.published, f"{identity} is missing"
            published = plant.published[identity]
            assert repr(tuple(published.features)) == repr(frame.values), identity
            assert published.quality == frame.quality


steps = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "deliver", "crash", "archive", "correct", "answer"]),
        st.integers(0, 8),
        st.integers(0, 2),
    ),
    max_size=25,
)


@examples(200)
@given(bindings(), packs(), steps, st.randoms(use_true_random=False))
def test_the_greatest_revision_is_made_from_all_readings(
    asked: list[Binding],
    packs: list[list[Arrival]],
    steps: list[tuple[str, int, int]],
    random: random.Random,
) -> None:
    plant = Plant(bound(*asked), packs)
    for step, number, stale_by in steps:
        match step:
            case "archive":
                plant.archive(number % len(packs))
            case "correct":
                plant.correct(random)
            case "answer":
                plant.answer(random)
            case _:
                crashes = step == "crash"
                plant.deliver(number % len(packs), stale_by=stale_by, crashes=crashes)
    # At least once: what was not delivered, or whose delivery died, comes (again) at last.
    for number in random.sample(range(len(packs)), len(packs)):
        if number not in plant.acked:
            plant.deliver(number, stale_by=random.randrange(3), crashes=False)
        plant.archive(random.randrange(len(packs)))
    for number in range(len(packs)):
        plant.archive(number)
    plant.correct(random)
    while plant.asked:
        plant.answer(random)
    check(plant)
