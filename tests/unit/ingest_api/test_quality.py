import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_api.document import Mark
from ingest_api.quality import QualityTable
from penstock.domain.readings import Quality
from penstock.gateways import QualityScheme

GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD
SCHEMES: list[QualityScheme] = [
    "n3uron",
    "opc_da",
    "opc_ua",
    "ignition",
    "sparkplug",
    "bool",
    "text",
]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (0, [BAD, BAD, GOOD, GOOD, BAD, BAD, None]),
        (1, [BAD, BAD, GOOD, GOOD, None, GOOD, None]),
        (24, [BAD, BAD, GOOD, GOOD, None, None, None]),
        (64, [UNCERTAIN, UNCERTAIN, GOOD, GOOD, None, None, None]),
        (130, [None, None, GOOD, GOOD, None, None, None]),
        (192, [GOOD, GOOD, GOOD, GOOD, GOOD, None, None]),
        (216, [GOOD, GOOD, GOOD, GOOD, None, None, None]),
        (257, [None, BAD, GOOD, UNCERTAIN, None, None, None]),
        (500, [None, GOOD, GOOD, UNCERTAIN, BAD, None, None]),
        (512, [None, BAD, GOOD, BAD, None, None, None]),
        (1073742080, [UNCERTAIN] * 7),
        (-2147483136, [BAD] * 7),
        (-1073741056, [BAD] * 7),
        (0x80000000, [BAD] * 7),
        (True, [GOOD] * 7),
        (False, [BAD] * 7),
        ("Good", [GOOD] * 7),
        ("BAD", [BAD] * 7),
        ("Uncertain_LastKnownValue", [UNCERTAIN] * 7),
        ("Error", [BAD] * 7),
        ("192", [GOOD, GOOD, GOOD, GOOD, GOOD, None, None]),
        (192.0, [GOOD, GOOD, GOOD, GOOD, GOOD, None, None]),
        ("fine", [None] * 7),
        ("", [None] * 7),
        (1.5, [None] * 7),
        ({"a": 1}, [None] * 7),
        (2**70, [None] * 7),
    ],
)
def test_a_number_is_judged_by_its_scheme(raw: object, expected: list[Quality | None]) -> None:
    for scheme, quality in zip(SCHEMES, expected, strict=True):
        judged, _, is_known = QualityTable(scheme, "good").judge(raw)
        assert (judged, is_known) == (
            UNCERTAIN if quality is None else quality,
            quality is not None,
        )


def test_the_raw_value_is_kept_beside_the_class() -> None:
    table = QualityTable("n3uron", "good")
    assert table.judge(24)[1] == 24
    assert table.judge(True)[1] is True
    assert table.judge("Good\x00")[1] == "Good?"
    assert table.judge([1])[1] == "[1]"
    assert table.judge("x" * 1000)[1] == "x" * 64
    assert table.judge(2**64)[1] == str(2**64)


def test_an_absent_quality_is_good_by_definition_only_in_sparkplug() -> None:
    assert QualityTable("sparkplug", "bad").is_defined_when_absent
    assert QualityTable("sparkplug", "bad").assumed is GOOD
    assert not QualityTable("n3uron", "uncertain").is_defined_when_absent
    assert QualityTable("n3uron", "uncertain").assumed is UNCERTAIN


@given(
    scheme=st.sampled_from(SCHEMES),
    raw=st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none())
    | st.sampled_from(Mark),
)  # fmt: skip
def test_any_quality_gets_a_class(scheme: QualityScheme, raw: object) -> None:
    quality, kept, _ = QualityTable(scheme, "good").judge(raw)
    assert isinstance(quality, Quality)
    assert kept is None or isinstance(kept, bool | int | str)
    str(kept).encode()


def test_what_is_remembered_is_not_taken_for_its_equal() -> None:
    table = QualityTable("n3uron", "good")
    for raw in (1, True, 0, False, "192", 192, 1, True):
        assert repr(table.judge_again(raw)) == repr(table.judge(raw))
    for number in range(3_000):  # more than are remembered
        assert table.judge_again(number) == table.judge(number)
