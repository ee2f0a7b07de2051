"""List operations: filter, sort and page any kind of record. Pure.

Pages follow the sort key of the last record seen, so records made or deleted meanwhile are neither
doubled nor skipped; the token also carries a digest of the question it belongs to.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from penstock_local.sagemaker.records import Answer, Request
from penstock_local.sagemaker.wire import refuse

_DEFAULT_PAGE = 10


class Listed(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def created_at(self) -> float: ...


R = TypeVar("R", bound=Listed)
SortKey = tuple[Any, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[R]):
    """How one kind of resource is listed."""

    answer_key: str
    summarise: Callable[[R], Answer]
    descending: bool
    status: Callable[[R], str] = lambda _: ""
    modified_at: Callable[[R], float] = lambda record: record.created_at


def list_records(listing: Listing[R], records: Iterable[R], request: Request) -> Answer:
    """Answer one page of a List operation."""
    order = request.get("SortOrder", "Descending" if listing.descending else "Ascending")
    descending = order == "Descending"
    keyed = [(_sort_key(listing, r, request), r) for r in records if _wanted(listing, r, request)]
    keyed.sort(key=lambda pair: pair[0], reverse=descending)
    if token := request.get("NextToken"):
        last = _read_token(token, request)
        keyed = [pair for pair in keyed if (pair[0] < last if descending else pair[0] > last)]
    page = keyed[: request.get("MaxResults", _DEFAULT_PAGE)]
    answer: Answer = {listing.answer_key: [listing.summarise(record) for _, record in page]}
    if len(page) < len(keyed):
        answer["NextToken"] = _write_token(page[-1][0], request)
    return answer


def _wanted(listing: Listing[R], record: R, request: Request) -> bool:
    created, modified = record.created_at, listing.modified_at(record)
    return (
        request.get("NameContains", "") in record.name
        and request.get("StatusEquals", listing.status(record)) == listing.status(record)
        and request.get("CreationTimeAfter", created) <= created
        and request.get("CreationTimeBefore", created) >= created
        and request.get("LastModifiedTimeAfter", modified) <= modified
        and request.get("LastModifiedTimeBefore", modified) >= modified
    )


def _sort_key(listing: Listing[R], record: R, request: Request) -> SortKey:
    match request.get("SortBy", "CreationTime"):
        case "Name":
            return (record.name, record.name)
        case "Status":
            return (listing.status(record), record.name)
        case _:
            return (record.created_at, record.name)


def _write_token(last: SortKey, request: Request) -> str:
    content = json.dumps([_question(request), *last])
    return base64.urlsafe_b64encode(content.encode()).decode()


def _read_token(token: str, request: Request) -> SortKey:
    try:
        question, value, name = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError) as error:
        raise refuse("Invalid pagination token.") from error
    by_text = request.get("SortBy") in {"Name", "Status"}
    if question != _question(request) or isinstance(value, str) != by_text:
        raise refuse("The pagination token belongs to another request.")
    return (value, name)


def _question(request: Mapping[str, Any]) -> str:
    asked = {key: request[key] for key in request if key not in {"NextToken", "MaxResults"}}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
