"""Packs in a row, read as predictions or by column."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.channels.predictions import (
    PredictionPack,
    columns_of,
    predictions_message,
    predictions_of,
)
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import PackId
from penstock.domain.predictions import Prediction
from penstock.packing import pack_columns
from results_writer.batch import Batch
from results_writer.triage import refusal, refusals

from tests.factories import NOON, make_prediction
from tests.properties import examples

GOOD = [make_prediction(asset=f"P-{n}", event_time=NOON + n) for n in range(5)]


def make_pack(pack_id: str, count: int) -> PredictionPack:
    made = [make_prediction(asset=f"{pack_id}-{n}", pack_id=pack_id) for n in range(count)]
    return PredictionPack(PackId(pack_id), columns_of(made))


def test_a_pack_gives_back_what_was_packed_one_by_one_and_by_slice() -> None:
    message = predictions_message(GOOD, pack_id=GOOD[0].pack_id, created_at=NOON)
    pack = predictions_of(message)
    assert list(pack) == GOOD
    assert [pack[n] for n in range(5)] == GOOD
    assert pack[-1] == GOOD[-1]
    assert pack[1:3] == GOOD[1:3]
    with pytest.raises(IndexError):
        pack[5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"flags": []},
        {"flags": [0, 0, 0, 0, -1]},
        {"origin": [0, 1, 2, 3, 5]},
        {"origin": [0, 1, 2, 3, -1]},
        {"quality": [0, 0, 0, 0, 99]},
        {"origins": [["too", "short"]]},
        {"origins": [[*"basomvw", "live", 77, None]] * 5},
    ],
)
def test_columns_that_do_not_fit_each_other_are_no_pack(wrong: dict[str, object]) -> None:
    message = predictions_message(GOOD, pack_id="p", created_at=NOON)
    columns = columns_of(GOOD)
    fields = {name: getattr(columns, name) for name in columns.__struct_fields__}
    torn = {name: getattr(message, name) for name in message.__struct_fields__}
    torn["data"] = pack_columns(fields | wrong)
    with pytest.raises(MalformedPayload):
        predictions_of(type(message)(**torn))


def test_a_position_counts_through_all_packs() -> None:
    packs = [make_pack("a", 2), make_pack("b", 0), make_pack("c", 3)]
    batch = Batch(packs)
    assert len(batch) == 5
    assert batch.place_of(1) == (packs[0], 1)
    assert batch.place_of(2) == (packs[2], 0)
    assert batch[4].asset == "c-2"
    assert [prediction.pack_id for prediction in batch] == ["a", "a", "c", "c", "c"]
    assert list(batch.at([0, 4])) == [batch[0], batch[4]]


def test_predictions_of_any_packs_become_a_batch_in_their_order() -> None:
    mixed = [replace(p, pack_id=PackId(f"p{n // 2 % 2}")) for n, p in enumerate(GOOD)]
    batch = Batch.of(mixed)
    assert list(batch) == mixed
    assert [len(pack) for pack in batch.packs] == [2, 2, 1]
    assert Batch.of(batch) is batch
    assert not len(Batch.of([]))


EDGES: dict[str, list[Any]] = {
    "event_time": [0, 946_684_799_999_999, 946_684_800_000_000, 4_102_444_800_000_000],
    "received_at": [0, 4_102_444_799_999_999],
    "predicted_at": [-1, 4_102_444_800_000_000],
    "revision": [-1, 0, 2**63 - 1, 2**63],
    "features_missing": [-1, 2**31 - 1, 2**31],
    "flags": [2**31 - 1, 2**31],
    "value": [None, float("inf"), float("nan"), 1e308],
    "probability": [float("-inf"), 1e308],
    "threshold": [None, float("nan")],
    "asset": ["", "a\0b", "half \ud800", "a" * 255, "a" * 256],
    "binding": [""],
    "run": [""],
    "site": ["", "b" * 256],
    "variant": ["\0"],
}


@st.composite
def odd_predictions(draw: st.DrawFn) -> Prediction:
    names = draw(st.sets(st.sampled_from(sorted(EDGES)), max_size=1))
    odd = {name: draw(st.sampled_from(EDGES[name])) for name in names}
    return replace(make_prediction(pack_id="p"), **odd)


@given(st.lists(odd_predictions(), max_size=4), st.sampled_from(["p", "", "p" * 256]))
@examples(400)
def test_looking_at_columns_refuses_what_looking_at_each_prediction_does(
    predictions: list[Prediction], pack_id: str
) -> None:
    told = [replace(p, pack_id=PackId(pack_id)) for p in predictions]
    reasons = {n: why for n, p in enumerate(told) if (why := refusal(p)) is not None}
    assert refusals(PredictionPack(PackId(pack_id), columns_of(told))) == reasons
