from pathlib import Path

import pytest
from penstock_local.plant.csv_files import CsvHistory, CsvReading, read_csv
from penstock_local.plant.paging import Records
from penstock_local.plant.samples import parse_time

START = parse_time("2026-01-01T00:00:00Z")


def write(folder: Path, text: str, name: str = "pumps.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def records(history: CsvHistory) -> list[tuple[str, str, object, int]]:
    found = Records.of(history.read(history.tags(), -(10**14), 10**14)).slice(0, 1000)
    return [(r["tag"], r["time"], r["value"], r["quality"]) for r in found]


def test_rows_without_a_time_count_from_the_start_and_the_first_name_loses_its_mark(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "\ufeffType,Torque [Nm]\nM,42.8\nL,40\n")
    history = read_csv(path, CsvReading(START, 60_000, "AI4I"))
    assert records(history) == [
        ("/AI4I/Type", "2026-01-01T00:00:00.000Z", "M", 192),
        ("/AI4I/Torque [Nm]", "2026-01-01T00:00:00.000Z", 42.8, 192),
        ("/AI4I/Type", "2026-01-01T00:01:00.000Z", "L", 192),
        ("/AI4I/Torque [Nm]", "2026-01-01T00:01:00.000Z", 40, 192),
    ]


def test_a_time_column_gives_the_times_and_rows_are_put_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "timestamp,value\n2013-12-02 21:20:00,2\n2013-12-02 21:15:00,1\n")
    assert records(read_csv(path, CsvReading())) == [
        ("/PUMPS/value", "2013-12-02T21:15:00.000Z", 1, 192),
        ("/PUMPS/value", "2013-12-02T21:20:00.000Z", 2, 192),
    ]


def test_year_month_day_and_hour_make_a_time(tmp_path: Path) -> None:
    path = write(tmp_path, "No,year,month,day,hour,pm2.5\n1,2010,1,2,3,NA\n")
    assert records(read_csv(path, CsvReading())) == [
        ("/PUMPS/No", "2010-01-02T03:00:00.000Z", 1, 192),
        ("/PUMPS/pm2.5", "2010-01-02T03:00:00.000Z", None, 0),
    ]


@pytest.mark.parametrize("text", ["", "NA", "nan", "null"])
def test_a_missing_value_is_null_and_bad(tmp_path: Path, text: str) -> None:
    history = read_csv(write(tmp_path, f"a,b\n1,{text}\n"), CsvReading())
    assert [r[2:] for r in records(history)] == [(1, 192), (None, 0)]


def test_a_slash_in_a_name_makes_no_level(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, "m/s\n1\n"), CsvReading()).tags() == ["/PUMPS/m_s"]


def test_ranges_are_half_open(tmp_path: Path) -> None:
    history = read_csv(write(tmp_path, "a\n1\n2\n3\n"), CsvReading(START, 1_000))
    (part,) = history.read(["/PUMPS/a"], START + 1_000, START + 2_000)
    assert part.values.tolist() == [2]


def test_a_file_without_rows_has_no_tags(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, ""), CsvReading()).tags() == []
    assert read_csv(write(tmp_path, "a,b\n"), CsvReading()).tags() == []


def test_an_unreadable_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="yesterday"):
        read_csv(write(tmp_path, "time,a\nyesterday,1\n"), CsvReading())
