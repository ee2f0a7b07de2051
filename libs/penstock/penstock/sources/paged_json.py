"""Any REST API that answers JSON in pages, described by options alone."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from pydantic import Field, field_validator, model_validator

from penstock.bodies import Body
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import TagPath
from penstock.domain.qualities import QualityScheme, normalise_quality
from penstock.domain.readings import Quality
from penstock.domain.source_times import TimeUnit, read_time
from penstock.domain.time import SECOND, Micros, from_micros
from penstock.source import (
    SourceAnswer,
    SourcePlugin,
    SourceRecord,
    SourceRequest,
    SourceSlice,
    TruncatedAnswer,
    Walk,
)
from penstock.source_values import parse_json, plain_value

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_KNOWN = frozenset({"tag", "tags", "start", "end", "page", "page_size", "cursor"})
_NEXT_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?[^",;]*\bnext\b', re.IGNORECASE)


class PagingOptions(Body):
    """How the records of one time window come: at once, or in pages.

    Where no total is told, pages are walked until an `empty` one, or until a `short` one.
    """

    type: Literal["time_window", "page", "cursor", "link_header"] = "time_window"
    page_size: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    first_page: int = 1
    ends_with: Literal["empty", "short"] = "empty"
    cursor_path: str = ""
    total_path: str = ""
    pages_path: str = ""


class PagedJsonOptions(Body):
    """Settings of a source of this kind.

    `path`, `params` and `body` may hold {tag} {tags} {start} {end} {page} {page_size} {cursor};
    with {tag} each tag is asked alone. A param that names what is not known yet is left out.
    """

    method: Literal["GET", "POST"] = "GET"
    path: str
    params: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    time_format: Literal["iso", "epoch_s", "epoch_ms"] = "iso"
    paging: PagingOptions = PagingOptions()
    records_path: str = ""
    tag_key: str = "tag"
    time_key: str = "time"
    value_key: str = "value"
    quality_key: str = "quality"
    time_unit: TimeUnit = TimeUnit.AUTO
    time_zone: str | None = None
    quality_scheme: QualityScheme = QualityScheme.OPC_DA
    columnar: bool = False
    tag_separator: str = ","
    suspicious_rows: Annotated[int, Field(ge=0)] = 0

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            return name and ZoneInfo(name).key
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no time zone; write it as Europe/Vienna") from error

    @model_validator(mode="after")
    def _possible(self) -> Self:
        unknown = self.placeholders - _KNOWN
        if unknown:
            raise ValueError(f"no such placeholder: {', '.join(sorted(unknown))}")
        needed = {"page": "page", "cursor": "cursor"}.get(self.paging.type)
        if needed and needed not in self.placeholders:
            raise ValueError(f"paging by {self.paging.type} needs {{{needed}}} in path or params")
        if self.paging.type == "cursor" and not self.paging.cursor_path:
            raise ValueError("paging by cursor needs paging.cursor_path")
        return self

    @property
    def placeholders(self) -> frozenset[str]:
        """Names that path, params and body leave to be filled."""
        body = "" if self.body is None else msgspec.json.encode(self.body).decode()
        return frozenset(_PLACEHOLDER.findall(" ".join([self.path, *self.params.values(), body])))


def next_request(
    slice_: SourceSlice, options: PagedJsonOptions, walk: Walk
) -> SourceRequest | None:
    """Ask for the next page of the same tags, then for the next tag where each is asked alone."""
    groups = _tag_groups(slice_, options)
    if walk.last is None:
        return _first(slice_, options, groups[0]) if groups else None
    more = _next_page(slice_, options, walk)
    if more is not None:
        return more
    done = groups.index(walk.last.request.tags) + 1
    return _first(slice_, options, groups[done]) if done < len(groups) else None


def _tag_groups(slice_: SourceSlice, options: PagedJsonOptions) -> list[tuple[str, ...]]:
    if "tag" in options.placeholders:
        return [(tag,) for tag in slice_.tags]
    return [slice_.tags]


def _first(slice_: SourceSlice, options: PagedJsonOptions, tags: tuple[str, ...]) -> SourceRequest:
    page = options.paging.first_page + (slice_.page or 1) - 1
    return _request(slice_, options, tags, page=page if options.paging.type == "page" else None)


def _next_page(slice_: SourceSlice, options: PagedJsonOptions, walk: Walk) -> SourceRequest | None:
    last = walk.last
    if last is None or options.paging.type == "time_window":
        return None
    document = parse_json(last.body)
    if options.paging.type == "page":
        return _next_numbered(slice_, options, walk, document)
    if options.paging.type == "cursor":
        token = _at(document, options.paging.cursor_path)
        following = None
        if token is not None and token != "" and token is not False:
            following = _request(slice_, options, last.request.tags, cursor=str(token))
    else:
        link = _NEXT_LINK.search(last.headers.get("link", ""))
        following = _linked(link[1], last.request) if link else None
    if following is None:
        _check_total(options, walk, document)
    elif following == last.request:
        raise TruncatedAnswer("the source names the same page as its own next one")
    return following


def _linked(link: str, previous: SourceRequest) -> SourceRequest:
    if link.startswith("?"):
        target = previous.target.partition("?")[0] + link
        return SourceRequest(target, tags=previous.tags, link=previous.link)
    return SourceRequest(link, tags=previous.tags, link=True)


def _next_numbered(
    slice_: SourceSlice, options: PagedJsonOptions, walk: Walk, document: object
) -> SourceRequest | None:
    last = walk.last
    if last is None or last.request.page is None:
        return None
    paging = options.paging
    size = _page_size(slice_, paging)
    total = _count(document, paging.total_path)
    if slice_.page is not None:
        _check_lone_page(last, total, (slice_.page - 1) * size, size)
        return None
    if _is_last(paging, walk, total, _count(document, paging.pages_path), size):
        _check_total(options, walk, document)
        return None
    _check_full_pages(walk, more_follow=total is not None or paging.pages_path != "")
    return _request(slice_, options, last.request.tags, page=last.request.page + 1)


def _is_last(
    paging: PagingOptions, walk: Walk, total: int | None, pages: int | None, size: int
) -> bool:
    if pages is not None:
        return walk.answers >= pages
    if walk.last is None or walk.last.rows == 0:
        return True
    if total is not None:
        return walk.rows >= total
    return paging.ends_with == "short" and walk.last.rows < size


def _check_full_pages(walk: Walk, *, more_follow: bool) -> None:
    """Only the last page may be short: one before it that is short lost records on its way."""
    rows = walk.last.rows if walk.last else 0
    if walk.rows - rows != (walk.answers - 1) * walk.first_rows:
        raise TruncatedAnswer("a page came short although records follow it", restart=True)
    if more_follow and rows != walk.first_rows:
        raise TruncatedAnswer(
            f"a page holds {rows} records where others hold {walk.first_rows}, and more follow"
        )


def _check_lone_page(last: SourceAnswer, total: int | None, before: int, size: int) -> None:
    expected = last.rows if total is None else max(0, min(size, total - before))
    if last.rows != expected:
        raise TruncatedAnswer(
            f"page {last.request.page} holds {last.rows} of the {expected} records it should"
        )


def _check_total(options: PagedJsonOptions, walk: Walk, document: object) -> None:
    total = _count(document, options.paging.total_path)
    if total is not None and walk.rows != total:
        raise TruncatedAnswer(
            f"{walk.rows} records came of the {total} that the source tells", restart=True
        )


def _request(
    slice_: SourceSlice,
    options: PagedJsonOptions,
    tags: tuple[str, ...],
    *,
    page: int | None = None,
    cursor: str | None = None,
) -> SourceRequest:
    known: dict[str, str | None] = {
        "tag": tags[0] if tags else None,
        "tags": options.tag_separator.join(tags),
        "start": _written(slice_.since, options),
        "end": _written(slice_.until, options, up=True),
        "page": None if page is None else str(page),
        "page_size": str(_page_size(slice_, options.paging)),
        "cursor": cursor,
    }
    filled = {key: _fill(template, known) for key, template in options.params.items()}
    body = None if options.body is None else msgspec.json.encode(_fill_deep(options.body, known))
    return SourceRequest(
        target=_fill(options.path, {k: v and quote(v, safe="") for k, v in known.items()}) or "",
        params=tuple((key, value) for key, value in filled.items() if value is not None),
        method=options.method,
        body=None if body is None else body.decode(),
        tags=tags,
        page=page,
        cursor=cursor,
    )


def _page_size(slice_: SourceSlice, paging: PagingOptions) -> int:
    """What the job asks for, as far as the source bears it."""
    return min(slice_.page_size or paging.page_size, paging.page_size)


def _written(at: Micros, options: PagedJsonOptions, *, up: bool = False) -> str:
    """Write a time; in coarse units the start is rounded down and the end up, losing nothing."""
    if options.time_format == "iso":
        return from_micros(at).isoformat().replace("+00:00", "Z")
    unit = SECOND if options.time_format == "epoch_s" else 1_000
    return str(-(-at // unit) if up else at // unit)


def _fill(template: str, known: Mapping[str, str | None]) -> str | None:
    """Fill the placeholders; None where one is not known yet, so that its param stays away."""
    if any(known[name] is None for name in _PLACEHOLDER.findall(template)):
        return None
    return _PLACEHOLDER.sub(lambda found: known[found[1]] or "", template)


def _fill_deep(node: Any, known: Mapping[str, str | None]) -> Any:
    if isinstance(node, str):
        return _fill(node, known)
    if isinstance(node, list):
        return [_fill_deep(item, known) for item in node]
    if isinstance(node, dict):
        return {key: _fill_deep(item, known) for key, item in node.items()}
    return node


def _at(document: object, path: str) -> object:
    """Walk a dotted path through objects and (by number) lists; None where it leads nowhere."""
    node = document
    for step in path.split(".") if path else ():
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node


def _count(document: object, path: str) -> int | None:
    found = _at(document, path) if path else None
    if isinstance(found, str) and found.isdecimal():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def page_count(slice_: SourceSlice, answer: SourceAnswer, options: PagedJsonOptions) -> int | None:
    """Pages of the whole window, where they are numbered and the answer tells."""
    paging = options.paging
    if paging.type != "page" or len(_tag_groups(slice_, options)) != 1:
        return None
    document = parse_json(answer.body)
    pages = _count(document, paging.pages_path)
    records = _count(document, paging.total_path)
    if pages is None and records is not None:
        pages = -(-records // _page_size(slice_, paging))
    return pages


def decode(body: bytes, tags: Sequence[str], options: PagedJsonOptions) -> list[SourceRecord]:
    """Read the records of one page; raise MalformedPayload."""
    found = _at(parse_json(body), options.records_path)
    only = tags[0] if len(tags) == 1 else None
    rows = _from_columns(found, options) if options.columnar else found
    if not isinstance(rows, list):
        where = options.records_path or "the answer"
        raise MalformedPayload(f"{where} is no list of records: check records_path and columnar")
    zone = ZoneInfo(options.time_zone) if options.time_zone else None

    def time_of(raw: object) -> Micros:
        return read_time(raw, options.time_unit, zone)

    return [_record(position, row, only, options, time_of) for position, row in enumerate(rows)]


def _from_columns(found: object, options: PagedJsonOptions) -> list[dict[str, object]] | None:
    if not isinstance(found, dict):
        return None
    keys = (options.tag_key, options.time_key, options.value_key, options.quality_key)
    columns = {key: column for key in keys if isinstance(column := found.get(key), list)}
    if options.time_key not in columns or options.value_key not in columns:
        raise MalformedPayload(f"columns {options.time_key} and {options.value_key} are needed")
    if len({len(column) for column in columns.values()}) != 1:
        raise TruncatedAnswer("the columns of the answer differ in length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _record(
    position: int,
    row: object,
    only: str | None,
    options: PagedJsonOptions,
    time_of: Callable[[object], Micros],
) -> SourceRecord:
    if not isinstance(row, dict):
        raise MalformedPayload(f"record {position} is {row!r}, not an object")
    tag = row.get(options.tag_key, only)
    if not isinstance(tag, str):
        raise MalformedPayload(f"record {position} has no {options.tag_key}: check tag_key")
    try:
        at = time_of(row.get(options.time_key))
    except ValueError as error:
        raise MalformedPayload(f"record {position} has no usable time: {error}") from error
    if options.value_key not in row:
        raise MalformedPayload(f"record {position} has no {options.value_key}: check value_key")
    value, raw = plain_value(row[options.value_key], row.get(options.quality_key))
    quality = normalise_quality(raw, options.quality_scheme, absent=Quality.GOOD)
    return SourceRecord(TagPath(tag), at, value, quality)


def doubt(answer: SourceAnswer, options: PagedJsonOptions) -> str | None:
    """Suspect a silent cap where one is known and the count meets it."""
    step = options.suspicious_rows
    if step == 0 or answer.rows == 0 or answer.rows % step:
        return None
    return f"exactly {answer.rows} records came, which looks like a limit of the source"


SOURCE = SourcePlugin(
    name="paged_json",
    options=PagedJsonOptions,
    next_request=next_request,
    decode=decode,
    doubt=doubt,
    page_count=page_count,
)
