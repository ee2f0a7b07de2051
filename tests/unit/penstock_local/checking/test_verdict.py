"""The checker sees what is wrong: a check that cannot fail proves nothing."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from penstock_local.checking.expected import RowBinding, expected_rows, expected_sequences
from penstock_local.checking.sent import Sent, SentReading, SentSequence, read_logs
from penstock_local.checking.stores import Row, newest_revisions
from penstock_local.checking.verdict import Findings, judge

SECOND = 1_000_000
BINDING = RowBinding("pump-failure", {"P-101": "/S/P-101"}, ("TEMP", "VIBRATION"))


def reading(tag: str, at: int, value: float, *, is_bad: bool = False) -> SentReading:
    return SentReading(f"/S/P-101/{tag}", at * SECOND, value, is_bad)


SENT = Sent(
    [
        reading("TEMP", 1, 70.0),
        reading("VIBRATION", 1, 0.4),
        reading("TEMP", 2, 71.0),
        reading("TEMP", 3, 0.0, is_bad=True),
    ],
    [],
    {},
)
EXPECTED = expected_rows(SENT, BINDING)
RIGHT = [
    Row("pump-failure", "P-101", at * SECOND, 1, 0.1 * at, features=features)
    for at, features in ((1, (70.0, 0.4)), (2, (71.0, 0.4)), (3, (math.nan, 0.4)))
]


def judged(**rows: list[Row]) -> dict[str, Findings]:
    stores = {"aurora": RIGHT, "snowflake": RIGHT, "lake": RIGHT, "latest": RIGHT[-1:], **rows}
    return {findings.store: findings for findings in judge(EXPECTED, stores)}


def test_frames_are_worked_out_from_what_was_sent() -> None:
    assert set(EXPECTED) == {("pump-failure", "P-101", at * SECOND) for at in (1, 2, 3)}
    assert EXPECTED[("pump-failure", "P-101", 2 * SECOND)] == (71.0, 0.4)
    assert math.isnan(EXPECTED[("pump-failure", "P-101", 3 * SECOND)][0])


def test_a_step_gathers_its_readings_and_sees_to_its_end() -> None:
    expected = expected_rows(SENT, replace(BINDING, step=10 * SECOND))
    ((place, features),) = expected.items()
    assert place == ("pump-failure", "P-101", 0)
    assert math.isnan(features[0]), "the last temperature of the step was bad"


def test_what_is_right_is_found_right() -> None:
    assert all(findings.is_right for findings in judged().values())


def test_a_seeded_loss_is_reported() -> None:
    findings = judged(aurora=RIGHT[1:])["aurora"]
    assert findings.lost == [("pump-failure", "P-101", SECOND)]
    assert "1 lost" in str(findings)


def test_a_seeded_double_is_reported() -> None:
    findings = judged(snowflake=[*RIGHT, RIGHT[0]])["snowflake"]
    assert findings.doubled == [("pump-failure", "P-101", SECOND)]


def test_a_stale_value_and_an_old_revision_are_reported() -> None:
    wrong = replace(RIGHT[1], features=(70.0, 0.4))
    assert judged(lake=[RIGHT[0], wrong, RIGHT[2]])["lake"].stale == [wrong.place]
    old = replace(RIGHT[2], revision=0, features=None)
    assert judged(aurora=[*RIGHT[:2], old])["aurora"].stale == [old.place]


def test_what_nobody_sent_is_reported() -> None:
    ghost = replace(RIGHT[0], event_time=99)
    assert judged(aurora=[*RIGHT, ghost])["aurora"].unexpected == [ghost.place]


def test_latest_must_have_the_newest_of_each_asset() -> None:
    findings = judged(latest=[RIGHT[1]])["latest"]
    assert findings.lost == [RIGHT[2].place]
    assert findings.unexpected == [RIGHT[1].place]


def test_the_read_view_of_the_lake_keeps_the_greatest_precedence() -> None:
    rows = [replace(RIGHT[0], revision=r, pack_id=p) for r, p in ((1, "b"), (2, "a"), (2, "b"))]
    assert newest_revisions(rows) == [rows[2]]


def test_sequences_are_expected_once_per_sensor_and_time() -> None:
    twice = [SentSequence("s1", 5, (1.0,)), SentSequence("s1", 5, (2.0,))]
    assert expected_sequences(Sent([], twice, {}), "forest") == {("seq:forest", "s1", 5): (2.0,)}


def test_a_log_tells_what_was_accepted(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    item = {"tag": "/S/T", "value": 1, "quality": 192, "at": "2026-11-20T12:00:00Z"}
    lines = [
        {"status": 503, "answer": None, "readings": [item]},
        {
            "status": 200,
            "answer": {
                "rejected_count": 1,
                "by_reason": {"not_finite": 1},
                "rejected": [{"index": 1, "reason": "not_finite"}],
            },
            "readings": [item, item, {**item, "quality": 0}, {**item, "value": [1, 2]}],
        },
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sent = read_logs([log])
    assert [r.is_bad for r in sent.readings] == [False, True]
    assert [s.data for s in sent.sequences] == [(1.0, 2.0)]
    assert sent.rejected == {"not_finite": 1}


def test_a_log_that_hides_rejects_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    answer = {"rejected_count": 30, "rejected": []}
    log.write_text(json.dumps({"status": 200, "answer": answer, "readings": []}))
    with pytest.raises(ValueError, match="more items were rejected"):
        read_logs([log])
