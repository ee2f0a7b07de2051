"""One suite over every payload format that is found, and over a faulty one, to prove the suite."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ingest_api.document import Mark
from ingest_api.payload_format import PayloadFormat
from ingest_api.recognise import Formats, discovered_formats
from ingest_api.testing import (
    CONTEXT,
    FaultyFormat,
    check_columns,
    check_garbage,
    check_is_pure,
    check_names_decide,
    check_samples,
    check_usual,
)
from penstock.domain.errors import MalformedPayload, UnknownFormat
from penstock.plugins import discover

from tests.properties import examples

FOUND = discovered_formats()

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([Mark.NAN, Mark.INFINITY, "/SITE01/P-101/TEMP", 192, 1718000000000])
)
WORDS = st.sampled_from(
    [
        "sensor", "model", "data", "timestamp", "readings", "values", "samples", "gateway",
        "path", "tag", "id", "name", "value", "v", "quality", "q", "at", "ts", "t", "ozone",
        "particulate_matter", "station", "parameters", "metrics", "/A/B",
    ]
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=25,
)

GARBAGE: list[Any] = [
    None, True, 0, -1.5, "", "text", [], [[]], [None], {}, {"": None}, {"readings": None},
    {"readings": {}}, {"readings": [[], None, 1, "x"]}, {"values": [{"path": None}, 7]},
    {"gateway": 1, "values": [{"path": {}}, None]}, {"/A": [{"v": 1}, None, 3]}, {"/A": [[{}]]},
    {"sensor": None, "model": [], "data": [None]}, {"sensor": 1, "model": 2, "data": "abc"},
    {"ozone": {}, "carbon_monoxide": [], "station": 5}, {"tag": {}, "value": []},
    {"/A/B": {}}, {"metrics": [{"fields": 1}]}, {"entries": [{}]}, {"a": [1, 2, 3]},
]  # fmt: skip


@pytest.fixture(params=sorted(FOUND), name="format_")
def each_format(request: pytest.FixtureRequest) -> PayloadFormat:
    return FOUND[request.param]


def test_a_format_is_named_after_its_file() -> None:
    assert {name: format_.name for name, format_ in FOUND.items()} == {name: name for name in FOUND}


def test_samples_say_what_they_claim(format_: PayloadFormat) -> None:
    check_samples(format_, Formats(FOUND))


def test_reading_is_pure(format_: PayloadFormat) -> None:
    check_is_pure(format_)


def test_garbage_is_refused_or_read_into_even_columns(format_: PayloadFormat) -> None:
    check_garbage(format_, GARBAGE)


@examples(60)
@given(document=DOCUMENTS)
def test_any_document_is_refused_or_read_into_even_columns(document: object) -> None:
    for format_ in FOUND.values():
        check_columns(format_, document)


@examples(60)
@given(document=st.dictionaries(WORDS | st.text(max_size=4), SCALARS, max_size=6))
def test_objects_of_scalars_are_told_by_their_names(document: dict[str, object]) -> None:
    for format_ in FOUND.values():
        check_names_decide(format_, document)


@examples(60)
@given(elements=st.lists(DOCUMENTS | st.sampled_from([{"tag": "/A", "v": 1}, {"/A": 1}])))
def test_an_array_is_read_as_its_elements_one_by_one(elements: list[object]) -> None:
    formats = Formats(FOUND)
    expected: list[object] = []
    for element in elements:
        try:
            expected += formats.parse([element], CONTEXT).tags
        except UnknownFormat:
            continue
        except MalformedPayload:
            return
    try:
        assert repr(formats.parse(elements, CONTEXT).tags) == repr(expected)
    except UnknownFormat:
        assert expected == []


@examples(100)
@given(document=DOCUMENTS | st.lists(DOCUMENTS, max_size=4))
def test_any_document_is_read_or_refused_by_the_whole(document: object) -> None:
    try:
        parsed = Formats(FOUND).parse(document, CONTEXT)
    except (UnknownFormat, MalformedPayload):
        return
    indexes = [parsed.index(row) for row in range(len(parsed.tags))]
    indexes += [sequence.index for sequence in parsed.sequences]
    indexes += [stray.index for stray in parsed.strays]
    assert sorted(indexes) == list(range(parsed.count))


NUMBERS = st.sampled_from([0, 1, 192, 192.0, 1.0, -0.0, 1e300, 2**64, 10**30, True])
MEMBERS = NUMBERS | SCALARS
TAGS = st.sampled_from(["/A/B", "/C", "D", "", "data", "readings", "ozone", "carbon_monoxide",
                        "sensor", "model", "gateway", "tag", "value"])  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"v": MEMBERS, "q": NUMBERS, "ts": NUMBERS},
    optional={"value": MEMBERS, "quality": MEMBERS, "t": MEMBERS},
)
READINGS = st.fixed_dictionaries(
    {"tag": TAGS, "value": MEMBERS, "quality": NUMBERS | st.just("good"), "at": NUMBERS | TAGS},
    optional={"path": TAGS, "v": MEMBERS, "ts": MEMBERS},
)
USUAL_EVENTS = st.just([{"v": 1.5, "q": 192, "ts": 1}])
NEARLY_USUAL = st.dictionaries(TAGS, USUAL_EVENTS | st.lists(EVENTS, max_size=2), max_size=4) | (
    st.fixed_dictionaries(
        {"readings": st.lists(READINGS, max_size=3)}, optional={"at": NUMBERS, "gateway": TAGS}
    )
)
USUAL = {
    "n3uron_compact": b'{"/A": [{"v": 1.5, "q": 192, "ts": 1}, {"ts": 2, "v": null, "q": 0}]}',
    "penstock": b'{"readings": [{"tag": "/A", "value": 1, "quality": "good", "at": "2026"}]}',
}


@example({"ozone": [], "carbon_monoxide": []})
@example({"sensor": [], "model": [], "data": []})
@examples(300)
@given(document=NEARLY_USUAL)
def test_what_is_read_without_a_document_is_what_the_document_says(document: object) -> None:
    formats = Formats(FOUND)
    body = json.dumps(document, default=lambda mark: mark.value).encode()
    for format_ in FOUND.values():
        check_usual(format_, formats, body)


def test_the_usual_bodies_need_no_document() -> None:
    quick = {name for name, format_ in FOUND.items() if format_.parse_usual}
    assert quick == set(USUAL)
    for name, body in USUAL.items():
        assert check_usual(FOUND[name], Formats(FOUND), body)
        assert Formats(FOUND).parse_usual(body) is not None
        assert Formats(FOUND).parse_usual(body, wanted=name) is not None


def test_a_format_that_is_asked_first_sees_the_document_whoever_made_it(plugins: Path) -> None:
    parse = "return Parsed(['m_first'], [document['m_first']], [None], [None])"
    first = faulty(plugins, "first", parse)
    with_another = Formats({**FOUND, **first})
    for body in USUAL.values():
        assert with_another.parse_usual(body) is None
    assert with_another.parse_usual(USUAL["penstock"], wanted="penstock") is not None


FAULTY = """
from ingest_api.payload_format import Parsed, PayloadFormat, Sample


def recognises(document):
    return isinstance(document, dict) and "{member}" in document


def parse(document, context):
    {parse}


FORMAT = PayloadFormat(
    name="{name}", order=5, recognises=recognises, parse=parse,
    samples=(Sample('{{"{member}": 1}}', readings=(("{member}", 1),)),),
)
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Path]:
    """A package of plug-ins that exists for one test only."""
    package = tmp_path / "temporary_formats"
    package.mkdir()
    (package / "__init__.py").touch()
    sys.path.insert(0, str(tmp_path))
    yield package
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("temporary_formats")]:
        del sys.modules[name]


def faulty(package: Path, name: str, parse: str) -> dict[str, PayloadFormat]:
    (package / f"{name}.py").write_text(FAULTY.format(name=name, member=f"m_{name}", parse=parse))
    importlib.invalidate_caches()
    module: ModuleType = importlib.import_module("temporary_formats")
    return discover(module, attribute="FORMAT", kind=PayloadFormat)


@pytest.mark.parametrize(
    ("name", "parse"),
    [
        ("forgetful", "return Parsed()"),
        ("uneven", "return Parsed(tags=['m_uneven'], values=[1])"),
        ("lossy", "return Parsed(['m_lossy'], [bool(document['m_lossy'])], [None], [None])"),
        ("crashing", "raise KeyError('m_crashing')"),
        ("greedy", "document.pop('m_greedy'); return Parsed(['m_greedy'], [1], [None], [None])"),
    ],
)
def test_a_faulty_format_fails_the_suite(plugins: Path, name: str, parse: str) -> None:
    found = faulty(plugins, name, parse)
    with pytest.raises((FaultyFormat, KeyError)):
        run_suite(found)


def test_a_sound_format_in_its_place_passes_the_suite(plugins: Path) -> None:
    parse = "return Parsed(['m_sound'], [document['m_sound']], [None], [None])"
    run_suite(faulty(plugins, "sound", parse))


def test_a_file_without_a_format_stops_the_start(plugins: Path) -> None:
    (plugins / "empty.py").write_text("")
    importlib.invalidate_caches()
    module = importlib.import_module("temporary_formats")
    with pytest.raises(TypeError, match="must define a PayloadFormat"):
        discover(module, attribute="FORMAT", kind=PayloadFormat)


def run_suite(found: dict[str, PayloadFormat]) -> None:
    everything = Formats({**FOUND, **found})
    for format_ in found.values():
        check_samples(format_, everything)
        check_is_pure(format_)
        check_garbage(format_, [*GARBAGE, {f"m_{format_.name}": []}])
