import pytest
from penstock_local.faults.rules import Fault, FaultBook, RequestFacts, Verdict
from pydantic import ValidationError

PUBLISH = RequestFacts("POST", "/", "Publish")
INVOKE = RequestFacts("POST", "/endpoints/pump-failure/invocations")


def test_without_faults_nothing_happens() -> None:
    assert FaultBook().judge(PUBLISH) == Verdict()


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Fault(kind="drop"), True),
        (Fault(kind="drop", path="/endpoints/"), False),
        (Fault(kind="drop", action="Publish(Batch)?$"), True),
        (Fault(kind="drop", action="Subscribe"), False),
        (Fault(kind="drop", method="post"), True),
        (Fault(kind="drop", method="GET"), False),
        (Fault(kind="drop", probability=0.0), False),
    ],
)
def test_every_condition_must_hold(fault: Fault, struck: bool) -> None:
    verdict = FaultBook([fault]).judge(PUBLISH)
    assert (verdict.end is not None) is struck


def test_a_counted_fault_strikes_that_often_and_no_more() -> None:
    book = FaultBook([Fault(kind="error", count=2)])
    ends = [book.judge(PUBLISH).end for _ in range(4)]
    assert [end is not None for end in ends] == [True, True, False, False]
    assert book.faults == []
    assert book.hits == {"error": 2}


def test_requests_of_others_do_not_use_up_a_count() -> None:
    book = FaultBook([Fault(kind="error", path="/endpoints/", count=1)])
    assert book.judge(PUBLISH).end is None
    assert book.judge(INVOKE).end is not None


def test_delays_add_up_and_the_first_other_fault_ends() -> None:
    book = FaultBook(
        [
            Fault(kind="delay", seconds=0.5),
            Fault(kind="delay", seconds=0.25),
            Fault(kind="delay", seconds=2, when="after"),
            Fault(kind="throttle", count=1),
            Fault(kind="drop"),
        ]
    )
    first, second = book.judge(PUBLISH), book.judge(PUBLISH)
    assert (first.delay_before, first.delay_after) == (0.75, 2)
    assert [v.end.kind for v in (first, second) if v.end] == ["throttle", "drop"]


def test_probability_is_kept_and_the_same_seed_draws_the_same() -> None:
    def draws(seed: int) -> list[bool]:
        book = FaultBook([Fault(kind="drop", probability=0.3)], seed=seed)
        return [book.judge(PUBLISH).end is not None for _ in range(1000)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)
    assert 250 < sum(draws(1)) < 350


def test_refuse_is_never_the_verdict_on_a_request() -> None:
    book = FaultBook([Fault(kind="refuse")])
    assert book.judge(PUBLISH) == Verdict()
    assert book.refusing is not None


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "explode"}',
        '{"kind": "drop", "probability": 2}',
        '{"kind": "drop", "count": 0}',
        '{"kind": "drop", "action": "("}',
        '{"kind": "drop", "propability": 0.1}',
        '{"kind": "error", "status": 200}',
    ],
)
def test_a_mistyped_fault_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate_json(text)
