from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_local.sagemaker.listing import Listing, list_records
from penstock_local.sagemaker.wire import ServiceError


@dataclass(frozen=True)
class Thing:
    name: str
    created_at: float
    status: str = "InService"


LISTING: Listing[Thing] = Listing(
    answer_key="Things",
    summarise=lambda thing: {"Name": thing.name},
    descending=True,
    status=lambda thing: thing.status,
)

things = st.lists(
    st.builds(
        Thing,
        name=st.text("abc-", min_size=1, max_size=6),
        created_at=st.integers(0, 5).map(float),
        status=st.sampled_from(["InService", "Failed"]),
    ),
    max_size=25,
    unique_by=lambda thing: thing.name,
)
questions = st.fixed_dictionaries(
    {"SortBy": st.sampled_from(["Name", "CreationTime", "Status"])},
    optional={"SortOrder": st.sampled_from(["Ascending", "Descending"])},
)


def names(answer: dict[str, Any]) -> list[str]:
    return [entry["Name"] for entry in answer["Things"]]


def all_pages(records: list[Thing], question: dict[str, Any], size: int) -> list[str]:
    found: list[str] = []
    request = question | {"MaxResults": size}
    while True:
        answer = list_records(LISTING, records, request)
        found += names(answer)
        if "NextToken" not in answer:
            return found
        request = request | {"NextToken": answer["NextToken"]}


@given(things, questions, st.integers(1, 7))
def test_pages_together_are_the_whole_list(
    records: list[Thing], question: dict[str, Any], size: int
) -> None:
    whole = names(list_records(LISTING, records, question | {"MaxResults": 100}))

    assert all_pages(records, question, size) == whole
    assert sorted(whole) == sorted(thing.name for thing in records)


def test_record_made_between_two_pages_doubles_and_skips_nothing() -> None:
    records = [Thing(f"thing-{number}", float(number)) for number in range(4)]
    first = list_records(LISTING, records, {"MaxResults": 2})
    request = {"MaxResults": 2, "NextToken": first["NextToken"]}

    second = list_records(LISTING, [*records, Thing("newest", 9.0)], request)

    assert names(first) + names(second) == ["thing-3", "thing-2", "thing-1", "thing-0"]


def test_filters_narrow_the_list() -> None:
    records = [Thing("pump-1", 1.0), Thing("pump-2", 2.0, "Failed"), Thing("valve-1", 3.0)]

    def found(**request: Any) -> list[str]:
        return names(list_records(LISTING, records, request))

    assert found(NameContains="pump") == ["pump-2", "pump-1"]
    assert found(StatusEquals="Failed") == ["pump-2"]
    assert found(CreationTimeAfter=2) == ["valve-1", "pump-2"]
    assert found(CreationTimeBefore=2) == ["pump-2", "pump-1"]
    assert found(LastModifiedTimeAfter=4) == []


@pytest.mark.parametrize("token", ["", "!!!", "bm9uc2Vuc2U=", "WzEsMiwzXQ=="])
def test_made_up_tokens_are_refused(token: str) -> None:
    records = [Thing("pump-1", 1.0)]

    if token:
        with pytest.raises(ServiceError, match="token"):
            list_records(LISTING, records, {"NextToken": token})
    else:
        assert names(list_records(LISTING, records, {"NextToken": token})) == ["pump-1"]


def test_page_holds_ten_unless_asked_otherwise() -> None:
    records = [Thing(f"thing-{number}", float(number)) for number in range(12)]

    answer = list_records(LISTING, records, {})

    assert len(names(answer)) == 10
    assert "NextToken" in answer
