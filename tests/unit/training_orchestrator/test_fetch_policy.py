from collections.abc import Mapping

import pytest
from penstock.domain.datasets import Slice
from penstock.domain.errors import (
    ForbiddenAddress,
    InvalidInput,
    MalformedPayload,
    NotFound,
    PenstockError,
)
from penstock.domain.ids import SliceId, TagPath
from penstock.domain.time import HOUR, MINUTE, Micros, parse_iso
from penstock.source import AnswerTooLarge, SourceTimedOut, SourceUnreachable, TruncatedAnswer
from training_orchestrator.fetch_policy import (
    Accept,
    Action,
    DoubtfulAnswer,
    Fail,
    FetchPolicy,
    Halve,
    RefusedAnswer,
    Retry,
    Wait,
    retry_after,
)

NOW = parse_iso("2026-11-20T10:00:00Z")
POLICY = FetchPolicy(attempts=4, first_pause_seconds=1)


def make_slice(
    slice_id: str = "000007", minutes: int = 60, tags: int = 1, page: int | None = None
) -> Slice:
    until = Micros(NOW + minutes * MINUTE)
    paths = tuple(TagPath(f"/S/T{n}") for n in range(tags))
    return Slice(SliceId(slice_id), NOW, until, paths, page)


def refused(status: int, headers: Mapping[str, str] | None = None) -> RefusedAnswer:
    return RefusedAnswer("https://h/api", status, headers or {}, "")


def judge(
    trouble: PenstockError, piece: Slice | None = None, *, attempts: int = 1, waited: int = 0
) -> Action:
    return POLICY.judge(
        trouble, piece or make_slice(), attempts=attempts, waited=Micros(waited), now=NOW
    )


@pytest.mark.parametrize(
    "trouble", [refused(500), refused(502), refused(425), SourceUnreachable("reset")]
)
def test_passing_trouble_is_tried_again_ever_more_slowly_and_given_up(
    trouble: PenstockError,
) -> None:
    assert [judge(trouble, attempts=n) for n in (1, 2, 3)] == [Retry(1), Retry(2), Retry(4)]
    last = judge(trouble, attempts=4)
    assert isinstance(last, Fail)
    assert "after 4 attempts" in last.reason


@pytest.mark.parametrize("status", [429, 503])
def test_a_source_that_says_wait_is_obeyed_however_often(status: int) -> None:
    trouble = refused(status, {"retry-after": "40"})
    assert [judge(trouble, attempts=n) for n in (1, 9)] == [Wait(40), Wait(40)]
    assert judge(refused(status)) == Wait(5)
    assert judge(refused(status), waited=MINUTE) == Wait(60)
    assert judge(refused(status, {"retry-after": "999999"})) == Wait(6 * 3600)
    late = judge(trouble, waited=7 * HOUR)
    assert isinstance(late, Fail)
    assert "more than 6h" in late.reason


@pytest.mark.parametrize(
    "trouble",
    [
        refused(400), refused(401), refused(403), refused(404), refused(422),
        ForbiddenAddress("inside"), InvalidInput("no certificate"), NotFound("no secret"),
    ],
)  # fmt: skip
def test_what_no_repeat_can_heal_fails_at_once(trouble: PenstockError) -> None:
    assert isinstance(judge(trouble), Fail)


@pytest.mark.parametrize("trouble", [refused(413), AnswerTooLarge("big"), refused(414)])
def test_what_is_too_large_is_halved_at_once_down_to_the_window_and_the_tag(
    trouble: PenstockError,
) -> None:
    by_time = judge(trouble)
    assert isinstance(by_time, Halve)
    assert [(c.slice_id, c.since, c.until) for c in by_time.children] == [
        ("000007.1", NOW, NOW + 30 * MINUTE),
        ("000007.2", NOW + 30 * MINUTE, NOW + 60 * MINUTE),
    ]
    by_tag = judge(trouble, make_slice(minutes=1, tags=3))
    assert isinstance(by_tag, Halve)
    assert [c.tags for c in by_tag.children] == [("/S/T0",), ("/S/T1", "/S/T2")]
    assert {(c.since, c.until) for c in by_tag.children} == {(NOW, NOW + MINUTE)}
    assert isinstance(judge(trouble, make_slice(minutes=1)), Fail)
    paged = judge(trouble, make_slice(page=3))
    assert isinstance(paged, Fail)
    assert "page_size" in paged.reason


@pytest.mark.parametrize("trouble", [SourceTimedOut("hung"), refused(504), refused(408)])
def test_what_hangs_is_asked_again_once_then_halved_a_few_times(trouble: PenstockError) -> None:
    assert judge(trouble) == Retry(1)
    assert isinstance(judge(trouble, attempts=2), Halve)
    deep = make_slice("000007.1.2.1")
    assert judge(trouble, deep, attempts=2) == Retry(2)
    assert isinstance(judge(trouble, deep, attempts=4), Fail)


def test_a_cut_answer_is_asked_again_twice_then_halved() -> None:
    for trouble in (TruncatedAnswer("cut"), MalformedPayload("not whole")):
        assert judge(trouble, attempts=2) == Retry(2)
        assert isinstance(judge(trouble, attempts=3), Halve)


def test_a_doubtful_answer_is_halved_and_accepted_where_that_ends() -> None:
    doubt = DoubtfulAnswer("exactly 1000")
    assert isinstance(judge(doubt), Halve)
    assert judge(doubt, make_slice(minutes=1)) == Accept()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), (" 7 ", 7), ("Fri, 20 Nov 2026 10:02:00 GMT", 120),
        ("Fri, 20 Nov 2026 09:00:00 GMT", 0), ("soon", None), ("", None), ("-5", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_date(header: str, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
