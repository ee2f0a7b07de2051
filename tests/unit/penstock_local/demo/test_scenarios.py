from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from penstock_local.cli import app
from penstock_local.demo.csv_scenario import SLICES, START, CsvChoice, csv_scenario
from penstock_local.demo.plant_scenario import plant_scenario
from typer.testing import CliRunner


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "machines.csv"
    lines = [f"{n},{'LMH'[n % 3]},{20 + n},{int(n % 7 == 0)}" for n in range(100)]
    path.write_text("id,Type,Torque [Nm],Failure\n" + "\n".join(lines) + "\n")
    return path


def test_the_label_and_what_is_left_out_are_no_features(file: Path) -> None:
    scenario = csv_scenario(CsvChoice(file, "Failure", exclude=("id",)))
    features = scenario.job["dataset"]["frame"]["features"]
    assert features == [
        {"name": "Type", "tag": "Type", "categories": ["H", "L", "M"]},
        {"name": "Torque [Nm]", "tag": "Torque [Nm]"},
    ]
    assert scenario.job["dataset"]["label"] == {"tag": "Failure"}
    assert scenario.checked.categories == (("Type", ("H", "L", "M")),)


def test_history_ends_where_the_live_rows_begin(file: Path) -> None:
    scenario = csv_scenario(CsvChoice(file, "Failure", train_share=0.8))
    dataset = scenario.job["dataset"]
    split = START + 80 * timedelta(minutes=1)
    assert dataset["range"] == {"from": START.isoformat(), "to": split.isoformat()}
    assert dataset["slicing"]["window"] == f"{80 * 60 // SLICES}s"
    assert scenario.live_units == 20
    micros = round(split.timestamp() * 1e6)
    assert scenario.truth([("machines", micros), ("machines", micros + 1)]) == [0, None]


def test_a_wrong_label_column_ends_with_1_and_names_the_columns(file: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--data", str(file), "--label", "Fault"])
    assert result.exit_code == 1
    assert "no column 'Fault'" in result.output
    assert "Torque [Nm]" in result.output


def test_a_column_of_many_texts_must_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("name,y\n" + "".join(f"n{n},{n % 2}\n" for n in range(100)))
    with pytest.raises(ValueError, match="leave it out"):
        csv_scenario(CsvChoice(path, "y"))


def test_the_plant_streams_from_where_its_history_ends_until_now() -> None:
    now = datetime(2026, 11, 20, 12, 3, tzinfo=UTC)
    scenario = plant_scenario(now=now, live_seconds=30)
    split = datetime.fromisoformat(scenario.job["dataset"]["range"]["to"])
    assert split + timedelta(days=5) < now
    assert scenario.history[-1] == (split + timedelta(days=5)).isoformat()
    at = round(split.timestamp() * 1e6)
    labels = scenario.truth(
        [
            (name, at + hour * 3_600_000_000)
            for name in scenario.prefix_by_asset
            for hour in range(120)
        ]
    )
    assert set(labels) == {0, 1}, "both classes come in five days of eight pumps"


def test_pumps_of_another_site_share_no_name_with_those_of_the_first() -> None:
    first, third = plant_scenario(), plant_scenario(site=3)
    assert len(third.prefix_by_asset) == len(first.prefix_by_asset)
    assert not third.prefix_by_asset.keys() & first.prefix_by_asset.keys()
    assert all(prefix.startswith("/SITE03/") for prefix in third.prefix_by_asset.values())
    names = {(s.model, s.asset_type, s.checked.name, s.probe_asset) for s in (first, third)}
    assert all(len(set(column)) == 2 for column in zip(*names, strict=True))
