"""History from an N3uron node's REST API Server: one request per tag (or few) and time window.

The exact shape of the answer was never seen on a real node, so every shape that its other modules
and public clients use is read.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Literal

import msgspec
from pydantic import Field

from penstock.bodies import Body
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import TagPath
from penstock.domain.qualities import QualityScheme, normalise_quality
from penstock.domain.readings import Quality
from penstock.domain.source_times import TimeUnit, read_time
from penstock.domain.time import Micros, to_iso
from penstock.source import (
    SourceAnswer,
    SourcePlugin,
    SourceRecord,
    SourceRequest,
    SourceSlice,
    Walk,
)
from penstock.source_values import parse_json, plain_value

OVERLAP = Micros(1_000)
"""Whether `start` is included is not known: a millisecond is asked for twice instead."""

_TIMES = ("ts", "t", "timestamp", "time")
_VALUES = ("value", "v")
_QUALITIES = ("quality", "q")
_NAMES = ("path", "tag", "name")
_CONTAINERS = ("data", "values", "history", "samples", "results", "items")


class N3uronOptions(Body):
    """Settings of a source of this kind."""

    path: str = "/tag"
    method: Literal["GET", "POST"] = "GET"
    mode: str = "raw"
    tags_per_request: Annotated[int, Field(ge=1, le=500)] = 1
    time_format: Literal["iso", "epoch_ms"] = "iso"
    time_unit: TimeUnit = TimeUnit.AUTO
    quality_scheme: QualityScheme = QualityScheme.N3URON
    suspicious_rows: Annotated[int, Field(ge=0)] = 1_000


def next_request(slice_: SourceSlice, options: N3uronOptions, walk: Walk) -> SourceRequest | None:
    """Ask for the next tags; the time window is the slice's own."""
    size = options.tags_per_request
    groups = [slice_.tags[i : i + size] for i in range(0, len(slice_.tags), size)]
    done = groups.index(walk.last.request.tags) + 1 if walk.last else 0
    tags = next(islice(groups, done, None), None)
    return None if tags is None else _request(slice_, options, tags)


def _request(slice_: SourceSlice, options: N3uronOptions, tags: tuple[str, ...]) -> SourceRequest:
    window = _window(slice_, options)
    many = options.tags_per_request > 1
    command, key = ("historyMany", "paths") if many else ("history", "path")
    if options.method == "POST":
        names = list(tags) if many else tags[0]
        order = {"cmd": command, key: names, "start": window[0], "end": window[1]}
        body = msgspec.json.encode({**order, "options": {"mode": options.mode}}).decode()
        return SourceRequest(options.path, method="POST", body=body, tags=tags)
    params = (
        ("cmd", command),
        (key, ",".join(tags)),
        ("start", str(window[0])),
        ("end", str(window[1])),
        ("options.mode", options.mode),
    )
    return SourceRequest(options.path, params, tags=tags)


def _window(slice_: SourceSlice, options: N3uronOptions) -> tuple[str | int, str | int]:
    since = Micros(slice_.since - OVERLAP)
    if options.time_format == "iso":
        return to_iso(since), to_iso(slice_.until)
    return since // 1_000, -(-slice_.until // 1_000)


def decode(body: bytes, tags: Sequence[str], options: N3uronOptions) -> list[SourceRecord]:
    """Read any of the known shapes; raise MalformedPayload on others."""
    only = tags[0] if len(tags) == 1 else None
    return list(_records(parse_json(body), only, frozenset(tags), options))


def _records(
    node: object, tag: str | None, asked: frozenset[str], options: N3uronOptions
) -> Iterator[SourceRecord]:
    match node:
        case None:
            return
        case list():
            for item in node:
                yield from _records(item, tag, asked, options)
        case dict():
            yield from _from_object(node, tag, asked, options)
        case _:
            raise MalformedPayload(f"history holds {node!r} where samples were expected")


def _from_object(
    node: dict[str, object], tag: str | None, asked: frozenset[str], options: N3uronOptions
) -> Iterator[SourceRecord]:
    tag = next((name for key in _NAMES if isinstance(name := node.get(key), str)), tag)
    time_key = next((key for key in _TIMES if key in node), None)
    if time_key is not None and any(key in node for key in _VALUES):
        yield _sample(node, tag, time_key, options)
        return
    inner = [(tag, node[key]) for key in _CONTAINERS if key in node]
    inner += [(key, node[key]) for key in node if key.startswith("/") or key in asked]
    if node and not inner:
        raise MalformedPayload(f"history holds an object of {sorted(node)[:8]}: no samples in it")
    for name, content in inner:
        yield from _records(content, name, asked, options)


def _sample(
    node: dict[str, object], tag: str | None, time_key: str, options: N3uronOptions
) -> SourceRecord:
    if tag is None:
        raise MalformedPayload("a sample names no tag and several were asked for")
    try:
        at = read_time(node[time_key], options.time_unit)
    except ValueError as error:
        raise MalformedPayload(f"a sample of {tag} has no usable {time_key}: {error}") from error
    raw_value = next(node[key] for key in _VALUES if key in node)
    raw_quality = next((node[key] for key in _QUALITIES if key in node), None)
    value, quality = plain_value(raw_value, raw_quality)
    worst = normalise_quality(quality, options.quality_scheme, absent=Quality.GOOD)
    return SourceRecord(TagPath(tag), at, value, worst)


def doubt(answer: SourceAnswer, options: N3uronOptions) -> str | None:
    """Suspect a silent cap where the count is suspiciously round."""
    step = options.suspicious_rows
    if step == 0 or answer.rows == 0 or answer.rows % step:
        return None
    return f"exactly {answer.rows} samples came, which looks like a limit of the node"


SOURCE = SourcePlugin(
    name="n3uron", options=N3uronOptions, next_request=next_request, decode=decode, doubt=doubt
)
