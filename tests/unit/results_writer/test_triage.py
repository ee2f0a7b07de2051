from dataclasses import replace

import pytest
from penstock.domain.ids import AssetName, PackId
from penstock.domain.predictions import Prediction
from penstock.domain.time import Micros
from results_writer.triage import refusal, triage

from tests.factories import make_prediction


@pytest.mark.parametrize(
    "prediction",
    [
        make_prediction(asset=""),
        make_prediction(asset="a\0b"),
        make_prediction(asset="half \ud800"),
        make_prediction(binding="b" * 256),
        make_prediction(pack_id=""),
        make_prediction(event_time=0),
        make_prediction(predicted_at=4_200_000_000_000_000),
        make_prediction(revision=-1),
        make_prediction(revision=2**63),
        make_prediction(probability=float("nan")),
        replace(make_prediction(), threshold=float("inf")),
        replace(make_prediction(), features_missing=2**31),
    ],
)
def test_what_no_sink_can_keep_is_refused_with_a_reason(prediction: Prediction) -> None:
    assert refusal(prediction)


@pytest.mark.parametrize(
    "prediction",
    [
        make_prediction(),
        make_prediction(asset="Pumpe Ü 泵 🦆"),
        make_prediction(binding="b" * 255),
        make_prediction(revision=2**63 - 1),
        replace(make_prediction(probability=None), site="", asset_type="", trace_id=""),
    ],
)
def test_what_every_sink_can_keep_is_not_refused(prediction: Prediction) -> None:
    assert refusal(prediction) is None


def test_the_newest_of_each_identity_is_kept_and_the_rest_told() -> None:
    old, new = make_prediction(revision=1), make_prediction(revision=2)
    bad, other = make_prediction(asset=""), make_prediction(asset="P-102")
    sorted_out = triage([old, new, bad, other, old])
    assert sorted_out.newest == [new, other]
    assert set(sorted_out.failed) == {2}
    report = sorted_out.report()
    assert set(report.superseded) == {0, 4}
    greater = replace(other, pack_id=PackId("z"), revision=7)
    report = sorted_out.report([(other.identity, greater.precedence)])
    assert set(report.superseded) == {0, 3, 4}


def test_equal_precedence_is_not_superseded() -> None:
    same = make_prediction()
    sorted_out = triage([same, same])
    assert not sorted_out.report([(same.identity, same.precedence)]).superseded


def test_identity_is_binding_asset_time_and_run() -> None:
    one = make_prediction()
    others = [
        replace(one, asset=AssetName("P-102")),
        replace(one, event_time=Micros(one.event_time + 1)),
    ]
    assert triage([one, *others]).newest == [one, *others]
