import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_local.sagemaker.objects import Location, parse_location, relative_name


@pytest.mark.parametrize(
    ("prefix", "key", "name"),
    [
        ("data/train", "data/train/part-1.csv", "part-1.csv"),
        ("data/train/", "data/train/deeper/part-1.csv", "deeper/part-1.csv"),
        ("data/train.csv", "data/train.csv", "train.csv"),
        ("train.csv", "train.csv", "train.csv"),
        ("data/tr", "data/train/part-1.csv", "train/part-1.csv"),
        ("", "data/train.csv", "data/train.csv"),
    ],
)
def test_objects_keep_the_path_below_their_prefix(prefix: str, key: str, name: str) -> None:
    assert relative_name(prefix, key) == name


@given(st.text("ab/", max_size=8), st.text("ab/", max_size=8))
def test_no_object_gets_an_absolute_name(prefix: str, rest: str) -> None:
    assert not relative_name(prefix, prefix + rest).startswith("/")


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("s3://plant/data/train", Location("plant", "data/train")),
        ("s3://plant", Location("plant", "")),
        ("https://s3.eu-west-1.amazonaws.com/plant/data", Location("plant", "data")),
    ],
)
def test_urls_name_bucket_and_key(url: str, location: Location) -> None:
    assert parse_location(url) == location
