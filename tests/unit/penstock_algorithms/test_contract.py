from pathlib import Path

import pytest
from penstock_algorithms.contract import FAILURE_CHARACTERS, Layout
from penstock_algorithms.registry import algorithm_names, load_algorithm


def test_files_lie_below_opt_ml_unless_told_otherwise() -> None:
    assert Layout.from_environment({}) == Layout(Path("/opt/ml"), Path("/opt/ml/model"))


def test_model_folder_can_be_moved_alone() -> None:
    layout = Layout.from_environment({"SM_MODEL_DIR": "/models/7"})
    assert layout == Layout(Path("/opt/ml"), Path("/models/7"))


def test_channels_are_the_folders_where_none_are_described(tmp_path: Path) -> None:
    (tmp_path / "input" / "data" / "train").mkdir(parents=True)
    (channel,) = Layout(tmp_path, tmp_path / "model").channels().values()
    assert (channel.name, channel.content_type) == ("train", None)


def test_marker_files_are_no_data(tmp_path: Path) -> None:
    folder = tmp_path / "input" / "data" / "train"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.csv", "a.csv", "_SUCCESS", ".crc", "deep/c.csv"):
        (folder / name).write_text("1,2")
    (channel,) = Layout(tmp_path, tmp_path / "model").channels().values()
    assert [path.name for path in channel.files()] == ["a.csv", "b.csv", "c.csv"]


def test_failure_text_is_cut_to_what_the_platform_shows(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path / "model")
    layout.write_failure("x" * 5000)
    assert len(layout.failure.read_text()) == FAILURE_CHARACTERS


def test_every_algorithm_of_the_package_can_be_loaded_and_takes_a_seed() -> None:
    assert {"xgboost", "randomcutforest"} <= set(algorithm_names())
    for name in algorithm_names():
        assert "seed" in load_algorithm(name).settings.__dataclass_fields__


def test_unknown_algorithm_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LookupError, match="xgboost"):
        load_algorithm("no-such-algorithm")
