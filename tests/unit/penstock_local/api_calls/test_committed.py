from pathlib import Path

from penstock_local.api_calls.committed import (
    Committed,
    Seldom,
    in_words,
    read_committed,
    write_committed,
)
from penstock_local.api_calls.recorder import ApiCall

RECEIVE = ApiCall("console", "sqs:ReceiveMessage", "queue/lake-dlq")
DELETE = ApiCall("console", "sqs:DeleteMessage", "queue/lake-dlq")
NACK = ApiCall("console", "sqs:ChangeMessageVisibility", "queue/lake-dlq")
SELDOM = Seldom(NACK.caller, NACK.action, (NACK.resource,), when="S3 is down")
COMMITTED = Committed(frozenset({RECEIVE}), (SELDOM,))


def test_a_call_that_is_not_in_the_file_is_named() -> None:
    assert COMMITTED.unknown({RECEIVE, NACK, DELETE}) == [DELETE]
    assert in_words([DELETE]) == "  console: sqs:DeleteMessage on queue/lake-dlq"


def test_a_call_that_is_made_no_more_is_named_but_a_seldom_one_may_be_missing() -> None:
    assert COMMITTED.unmade(set()) == [RECEIVE]
    assert COMMITTED.unmade({RECEIVE}) == []


def test_a_refreshed_list_keeps_what_is_seldom_apart() -> None:
    assert COMMITTED.refreshed({DELETE, NACK}) == Committed(frozenset({DELETE}), (SELDOM,))


def test_the_file_says_what_it_was_given_in_one_order(tmp_path: Path) -> None:
    file = tmp_path / "calls.json"
    write_committed(Committed(frozenset({RECEIVE, DELETE}), (SELDOM,)), file)
    assert read_committed(file) == Committed(frozenset({RECEIVE, DELETE}), (SELDOM,))
    text = file.read_text()
    write_committed(read_committed(file), file)
    assert file.read_text() == text
    assert text.index("DeleteMessage") < text.index("ReceiveMessage")


def test_no_file_is_an_empty_list(tmp_path: Path) -> None:
    assert read_committed(tmp_path / "none.json") == Committed()
