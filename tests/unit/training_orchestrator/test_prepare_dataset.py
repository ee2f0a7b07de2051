import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from penstock.domain.errors import InvalidInput
from training_orchestrator.prepare_dataset import prepare_dataset
from training_orchestrator.prepare_order import (
    OUT,
    NoData,
    OneClassOnly,
    UnreadableData,
    WrongLabel,
)

from tests.unit.training_orchestrator.prepare_folders import (
    Told,
    all_files,
    csv_rows,
    make_order,
    make_recipe,
    ordinary,
    page_of,
)

RCF: dict[str, Any] = {"has_label": False, "allows_missing": False}


def prepare(folder: Path, told: list[Told], recipe: Any = None, **parts: Any) -> dict[str, Any]:
    order = make_order(folder, recipe or make_recipe(), [page_of(told)], **parts)
    return prepare_dataset(order, folder)


def test_csv_has_no_header_and_its_label_first(tmp_path: Path) -> None:
    manifest = prepare(tmp_path, ordinary())
    assert csv_rows(tmp_path, "train")[:8] == [
        ["0", "20.0", "20.0"],
        ["0", "21.0", "20.5"],
        ["0", "22.0", "21.0"],
        ["0", "23.0", "21.5"],
        ["0", "24.0", "22.0"],
        ["0", "25.0", "23.0"],
        ["1", "26.0", "24.0"],
        ["0", "20.0", "23.6"],
    ]
    assert manifest["features"] == ["temp", "temp_mean"]
    assert manifest["files"]["train"] == ["datasets/ds_01kafzcf00000000000000000a/train/part-0.csv"]


def test_parts_stand_in_order_of_time_with_their_gap(tmp_path: Path) -> None:
    split = {"train": 0.5, "validation": 0.25, "test": 0.25, "gap": "30m"}
    manifest = prepare(tmp_path, ordinary(), make_recipe(split=split))
    assert manifest["counts"] == {"train": 300, "validation": 120, "test": 120}
    assert manifest["dropped"] == {"in_gap": 60}
    rows = pq.read_table(tmp_path / OUT / "rows.parquet").to_pylist()
    times = {
        part: [r["event_time"] for r in rows if r["split"] == part] for part in manifest["counts"]
    }
    assert max(times["train"]) < min(times["validation"]) < max(times["validation"])
    assert (min(times["validation"]) - max(times["train"])).total_seconds() > 30 * 60
    assert manifest["trained_to"] == manifest["split"]["train"]["to"]
    assert set(rows[0]) == {"event_time", "asset", "temp", "temp_mean", "label", "split"}
    assert rows[0]["asset"] == "P-101"


def test_rows_without_a_label_are_dropped_and_counted(tmp_path: Path) -> None:
    told = [t for t in ordinary() if not (t[0].endswith("FAILURE") and t[1] < 100)]
    manifest = prepare(tmp_path, told)
    assert manifest["dropped"] == {"no_label": 100}
    assert sum(manifest["counts"].values()) == 500


def test_a_missing_number_is_an_empty_field(tmp_path: Path) -> None:
    told = [(*t, "bad") if t[0].endswith("TEMP") and t[1] == 5 else t for t in ordinary()]
    prepare(tmp_path, told)
    assert csv_rows(tmp_path, "train")[5] == ["0", "", "22.5"]
    report = json.loads((tmp_path / OUT / "report.json").read_text())
    assert report["features"][0]["missing_share"] == pytest.approx(1 / 600)


def test_an_algorithm_that_bears_no_missing_number_gets_none(tmp_path: Path) -> None:
    told = [(*t, "bad") if t[0].endswith("TEMP") and t[1] == 5 else t for t in ordinary()]
    manifest = prepare(tmp_path, told, make_recipe(label=None), **RCF)
    assert manifest["dropped"] == {"missing_feature": 1}
    assert csv_rows(tmp_path, "train")[5] == ["26.0", "23.75"]
    assert manifest["label"] is None


def test_a_window_is_a_row_of_its_samples(tmp_path: Path) -> None:
    frame = {"mode": "window", "samples": 3, "features": [{"name": "temp", "tag": "TEMP"}]}
    manifest = prepare(tmp_path, ordinary(), make_recipe(frame=frame, label=None), **RCF)
    assert csv_rows(tmp_path, "train")[:2] == [["20.0", "21.0", "22.0"], ["21.0", "22.0", "23.0"]]
    assert manifest["features"] == ["temp[-3]", "temp[-2]", "temp[-1]"]
    assert manifest["dropped"] == {"warming_up": 2}
    report = json.loads((tmp_path / OUT / "report.json").read_text())
    assert (report["features"][0]["min"], report["features"][0]["max"]) == (20, 26)


def test_a_frame_may_be_wider_than_an_expression_of_sql(tmp_path: Path) -> None:
    """DuckDB refuses expressions that are nested more than 1,000 deep."""
    features = [{"name": f"temp_{n}", "tag": "TEMP"} for n in range(12)]
    frame = {"mode": "window", "samples": 100, "features": features}
    manifest = prepare(tmp_path, ordinary(300), make_recipe(frame=frame, label=None), **RCF)
    assert sum(manifest["counts"].values()) == 201
    assert len(csv_rows(tmp_path, "test")[0]) == 1_200


def test_a_row_without_any_feature_is_dropped(tmp_path: Path) -> None:
    told = [(*t, "bad") if t[0].endswith("TEMP") and t[1] in range(90, 100) else t
            for t in ordinary()]  # fmt: skip
    assert prepare(tmp_path, told)["dropped"] == {"no_feature": 6}


def test_a_label_may_be_a_word(tmp_path: Path) -> None:
    words = {0: "ok", 1: "broken"}
    told = [(t[0], t[1], words[t[2]]) if t[0].endswith("FAILURE") else t for t in ordinary()]
    recipe = make_recipe(label={"tag": "FAILURE", "positive": "broken"})
    manifest = prepare(tmp_path, told, recipe)
    assert manifest["positives"]["train"] == 60
    assert [row[0] for row in csv_rows(tmp_path, "train")[:8]] == list("00000010")


def test_the_same_raw_data_gives_the_same_bytes_in_whatever_pages(tmp_path: Path) -> None:
    told = ordinary()
    one = prepare_dataset(
        make_order(tmp_path / "1", make_recipe(), [page_of(told)]), tmp_path / "1"
    )
    pages = [page_of(told[400:]), page_of(told[:450]), page_of([]), page_of(told[:3])]
    other = prepare_dataset(make_order(tmp_path / "2", make_recipe(), pages), tmp_path / "2")
    assert one == other
    first, second = all_files(tmp_path / "1"), all_files(tmp_path / "2")
    for files in (first, second):  # how many records came is told, and differs here
        files["report.json"] = b"" if b'"records"' in files["report.json"] else b"?"
    assert first == second
    assert set(first) == {
        "train/part-0.csv", "validation/part-0.csv", "test/part-0.csv", "rows.parquet",
        "report.json", "manifest.json",
    }  # fmt: skip


def test_readings_outside_of_the_range_do_not_count(tmp_path: Path) -> None:
    told = [("/S/P-101/TEMP", -1, 99), *ordinary(), ("/S/P-101/TEMP", 600, 99)]
    manifest = prepare(tmp_path, told)
    assert sum(manifest["counts"].values()) == 600
    assert csv_rows(tmp_path, "train")[0] == ["0", "20.0", "20.0"]


def only(tag: str) -> list[Told]:
    return [t for t in ordinary() if t[0].endswith(tag)]


@pytest.mark.parametrize(
    ("told", "recipe", "error", "why"),
    [
        ([], {}, WrongLabel, "nothing came at all"),
        ([], {"label": None}, NoData, "nothing came at all"),
        (only("TEMP"), {}, WrongLabel, r"no reading of the label FAILURE .*/S/P-101/TEMP \(600"),
        (only("FAILURE"), {}, NoData, r"no reading of any feature .*/S/P-101/FAILURE"),
        (
            [*only("TEMP"), ("/S/P-101/FAILURE", 0, "n/a")],
            {},
            NoData,
            r"no row is left of 600 frames: 600 have no good reading of FAILURE within "
            r"max_staleness \(1h\)",
        ),
        (
            [*only("TEMP"), *((t[0], t[1], 0) for t in only("FAILURE"))],
            {},
            OneClassOnly,
            "all 420 training rows .* have label 0",
        ),
        (
            [*only("TEMP"), *((t[0], t[1], 1) for t in only("FAILURE"))],
            {},
            OneClassOnly,
            "have label 1",
        ),
        (ordinary(), {"split": {"gap": "9h"}}, NoData, "the validation part has no row"),
    ],
)
def test_what_would_teach_nothing_is_refused_with_a_sentence(
    told: list[Told], recipe: dict[str, Any], error: type[InvalidInput], why: str, tmp_path: Path
) -> None:
    has_label = recipe.get("label", "yes") is not None
    with pytest.raises(error, match=why):
        prepare(tmp_path, told, make_recipe(**recipe), has_label=has_label)
    assert not (tmp_path / OUT / "manifest.json").exists()


def test_raw_data_that_the_settings_do_not_fit_is_told_by_its_object(tmp_path: Path) -> None:
    order = make_order(tmp_path, make_recipe(), [b'{"rows": []}'])
    with pytest.raises(UnreadableData, match=r"raw/0\.json: .*records_path.*historian"):
        prepare_dataset(order, tmp_path)


def test_the_report_warns_in_words(tmp_path: Path) -> None:
    told: list[Told] = [
        (t[0], t[1], 5) if t[0].endswith("TEMP") else (t[0], t[1], int(t[1] % 100 == 0))
        for t in ordinary()
    ]
    prepare(tmp_path, told)
    report = json.loads((tmp_path / OUT / "report.json").read_text())
    assert "feature temp is always 5.0: it tells nothing" in report["warnings"]
    assert any("test part has" in warning for warning in report["warnings"])
    assert {tag["tag"]: tag["samples"] for tag in report["tags"]} == {"TEMP": 600, "FAILURE": 600}
