from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from penstock_client.csv_rows import CsvOptions, count_rows, parse_value, read_rows

START = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("\ufeffUDI,Torque [Nm]\n1,42.8\n", encoding="utf-8")
    (row,) = read_rows(file, CsvOptions(prefix="/A", start=START))
    assert row.values == {"UDI": 1, "Torque [Nm]": 42.8}


def test_a_time_column_without_zone_is_utc(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("timestamp,value\n2013-12-02 21:15:00,73.9\n2013-12-02T21:20:00+01:00,7\n")
    rows = list(read_rows(file, CsvOptions(prefix="/A", time_column="timestamp")))
    assert [row.at.isoformat() for row in rows] == [
        "2013-12-02T21:15:00+00:00",
        "2013-12-02T21:20:00+01:00",
    ]
    assert rows[0].values == {"value": 73.9}


def test_rows_without_a_time_stand_at_even_steps_whatever_part_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x\n" + "\n".join("0123456789") + "\n")
    options = CsvOptions(prefix="/A", start=START, step=timedelta(minutes=1), rows=(8, None))
    rows = list(read_rows(file, options))
    assert [(row.number, row.values["x"]) for row in rows] == [(8, 8), (9, 9)]
    assert rows[0].at == START + timedelta(minutes=8)
    assert count_rows(file, options) == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (CsvOptions(prefix="/A", start=START, exclude=("y",)), "no column y; it has x"),
        (CsvOptions(prefix="/A", time_column="t"), "no column t"),
        (CsvOptions(prefix="/A"), "--time-column"),
    ],
)
def test_a_wrong_option_is_told_with_what_to_do(
    tmp_path: Path, options: CsvOptions, told: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x\n1\n")
    with pytest.raises(ValueError, match=told):
        list(read_rows(file, options))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1.5", 1.5), ("NA", None), ("", None), (None, None), ("M", "M"), (" x ", "x")],
)
def test_fields_are_read_as_people_mean_them(text: str | None, value: object) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)
