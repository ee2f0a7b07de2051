import json
import sys
from pathlib import Path

import pytest
from penstock_local.sagemaker.images import ImageMap, ImagesFileError, read_images

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "algorithm"),
    [
        (f"{REGISTRY}/sagemaker-xgboost:1.7-1", "xgboost"),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5", "xgboost"),
        (f"{REGISTRY}/xgboost:1", "xgboost"),
        ("xgboost:latest", "xgboost"),
        (f"{REGISTRY}/randomcutforest:1", "randomcutforest"),
        (f"{REGISTRY}/forecasting-deepar:1", "forecasting-deepar"),
        ("localhost:5000/forecasting-deepar:1", "forecasting-deepar"),
    ],
)
def test_aws_algorithms_are_known_in_every_account_and_region(image: str, algorithm: str) -> None:
    program = ImageMap().find(image)

    assert program is not None
    command = (sys.executable, "-m", "penstock_algorithms", algorithm)
    assert program.train == (*command, "train")
    assert program.serve == (*command, "serve")


@pytest.mark.parametrize(
    "image", [f"{REGISTRY}/my-xgboost:1", f"{REGISTRY}/sagemaker-xgboost", "busybox:1", ""]
)
def test_other_images_are_unknown(image: str) -> None:
    assert ImageMap().find(image) is None


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_registry_file_names_the_projects_own_programs(tmp_path: Path) -> None:
    text = """
    images:
      plant/average:1.2:
        train: ["{python}", average.py, train]
        serve: ["{python}", average.py, serve]
      plant/scorer:
        serve: [scorer]
    """
    images = read_images(write(tmp_path / "images.yaml", text))

    average = images.find(f"{REGISTRY}/plant/average:1.2")
    assert average is not None
    assert average.train == (sys.executable, "average.py", "train")
    scorer = images.find("plant/scorer:any-tag")
    assert scorer is not None
    assert (scorer.train, scorer.serve) == (None, ("scorer",))
    assert images.find("plant/average:1.3") is None


def test_registry_file_may_be_json_and_comes_before_aws_algorithms(tmp_path: Path) -> None:
    content = json.dumps({"images": {"xgboost:1": {"train": ["mine"], "serve": ["mine"]}}})
    images = read_images(write(tmp_path / "images.json", content))

    program = images.find(f"{REGISTRY}/xgboost:1")

    assert program is not None
    assert program.train == ("mine",)


@pytest.mark.parametrize(
    "content", ["images: [", "{}", "images: {a: {train: one-word}}", "images: {a: 3}", "[]"]
)
def test_unreadable_registry_file_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(ImagesFileError, match=r"images\.yaml"):
        read_images(write(tmp_path / "images.yaml", content))


def test_missing_registry_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImagesFileError, match=r"images\.yaml"):
        read_images(tmp_path / "images.yaml")
