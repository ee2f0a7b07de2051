"""What every REST source owes the fetcher and the preparer, as checks over its golden samples.

A sample tells options, a slice, the exchanges of a whole walk and the records they hold;
`missing_record` tells walks that lost a record on their way, where the plug-in can notice.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import TagPath
from penstock.domain.readings import Quality
from penstock.domain.time import DAY, Micros, parse_iso
from penstock.source import (
    SourceAnswer,
    SourcePlugin,
    SourceRecord,
    SourceRequest,
    SourceSlice,
    TruncatedAnswer,
    Walk,
)

GARBAGE = (b"", b"<html>busy</html>", b'"text"', b"7", b"[1, 2]", b'{"error": "no"}', b"\xff\xfe")


@dataclass(frozen=True, slots=True)
class Exchange:
    request: dict[str, Any]
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class SourceSample:
    options: dict[str, Any]
    slice: SourceSlice
    exchanges: tuple[Exchange, ...]
    records: tuple[SourceRecord, ...]
    missing_record: tuple[tuple[bytes, ...], ...] = ()


def read_samples(text: str) -> list[SourceSample]:
    return [_sample(raw) for raw in json.loads(text)]


def _sample(raw: dict[str, Any]) -> SourceSample:
    asked = raw["slice"]
    return SourceSample(
        options=raw["options"],
        slice=SourceSlice(
            parse_iso(asked["since"]), parse_iso(asked["until"]), tuple(asked["tags"])
        ),
        exchanges=tuple(
            Exchange(
                {key: e.get(key) for key in ("target", "params", "method", "request_body")},
                e["body"].encode(),
                e.get("headers", {}),
            )
            for e in raw["exchanges"]
        ),
        records=tuple(
            SourceRecord(TagPath(tag), parse_iso(at), value, Quality[quality])
            for tag, at, value, quality in raw["records"]
        ),
        missing_record=tuple(
            tuple(body.encode() for body in bodies) for bodies in raw.get("missing_record", [])
        ),
    )


def check_source(plugin: SourcePlugin, samples: Sequence[SourceSample]) -> None:
    assert samples, f"keep golden samples of {plugin.name}"
    for sample in samples:
        options = plugin.options.model_validate(sample.options)
        _check_walk(plugin, options, sample)
        _check_resumes(plugin, options, sample)
        _check_truncated(plugin, options, sample)
        _check_garbage(plugin, options, sample)
        _check_slices_stand_alone(plugin, options, sample)
    values = [record.value for sample in samples for record in sample.records]
    assert any(value is not None and not value for value in values), "show a zero or a false"


def walk_answers(
    plugin: SourcePlugin, options: Any, sample: SourceSample, bodies: Sequence[bytes]
) -> list[SourceAnswer]:
    """Walk a slice that is answered by these bodies in turn, and say what was asked."""
    answers: list[SourceAnswer] = []
    walk = Walk()
    while (request := plugin.next_request(sample.slice, options, walk)) is not None:
        assert len(answers) < len(bodies), f"asks on after the end: {request}"
        body = bodies[len(answers)]
        headers = dict(enumerate(e.headers for e in sample.exchanges)).get(len(answers), {})
        rows = len(plugin.decode(body, request.tags, options))
        answers.append(SourceAnswer(request, body, rows, headers))
        walk = walk.after(answers[-1])
    return answers


def _check_walk(plugin: SourcePlugin, options: Any, sample: SourceSample) -> None:
    bodies = [exchange.body for exchange in sample.exchanges]
    answers = walk_answers(plugin, options, sample, bodies)
    assert len(answers) == len(bodies), "ends before the last answer"
    for answer, exchange in zip(answers, sample.exchanges, strict=True):
        _assert_same_request(answer.request, exchange.request)
    found = [record for a in answers for record in plugin.decode(a.body, a.request.tags, options)]
    assert [(*r[:2], _typed(r.value), r.quality) for r in found] == [
        (*r[:2], _typed(r.value), r.quality) for r in sample.records
    ]


def _typed(value: object) -> tuple[str, object]:
    # 0 == False, but the one is a number and the other a switch.
    return type(value).__name__, value


def _assert_same_request(request: SourceRequest, golden: dict[str, Any]) -> None:
    assert request.target == golden["target"]
    assert [list(param) for param in request.params] == (golden["params"] or [])
    assert request.method == (golden["method"] or "GET")
    body = None if request.body is None else json.loads(request.body)
    assert body == golden["request_body"]


def _check_resumes(plugin: SourcePlugin, options: Any, sample: SourceSample) -> None:
    answers = walk_answers(plugin, options, sample, [e.body for e in sample.exchanges])
    for position in range(len(answers)):
        walk = Walk()
        for answer in answers[:position]:
            walk = walk.after(answer)
        asked = plugin.next_request(sample.slice, options, walk)
        assert asked == answers[position].request, f"does not resume after {position} answers"


def _check_truncated(plugin: SourcePlugin, options: Any, sample: SourceSample) -> None:
    bodies = [exchange.body for exchange in sample.exchanges]
    for request, body in zip(walk_answers(plugin, options, sample, bodies), bodies, strict=True):
        for kept in {1, len(body) // 3, len(body) // 2, len(body) - 1}:
            with pytest.raises(MalformedPayload):
                plugin.decode(body[:kept], request.request.tags, options)
    for cut in sample.missing_record:
        with pytest.raises(TruncatedAnswer):
            walk_answers(plugin, options, sample, cut)


def _check_garbage(plugin: SourcePlugin, options: Any, sample: SourceSample) -> None:
    for garbage in GARBAGE:
        with pytest.raises(MalformedPayload):
            plugin.decode(garbage, sample.slice.tags, options)


def _check_slices_stand_alone(plugin: SourcePlugin, options: Any, sample: SourceSample) -> None:
    first = plugin.next_request(sample.slice, options, Walk())
    assert first == plugin.next_request(sample.slice, options, Walk()), "keeps state of its own"
    later = SourceSlice(sample.slice.until, Micros(sample.slice.until + DAY), sample.slice.tags)
    assert plugin.next_request(later, options, Walk()) != first, "does not ask for its own slice"
