import pytest
from penstock_local.faults.target import Target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("127.0.0.1:4566", Target("http", "127.0.0.1", 4566)),
        ("http://localhost:80/", Target("http", "localhost", 80)),
        ("tcp://127.0.0.1:5432", Target("tcp", "127.0.0.1", 5432)),
        ("unix:///run/.s.PGSQL.5432", Target("unix", path="/run/.s.PGSQL.5432")),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    assert Target.parse(text) == target


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "https://h:1", "unix://x", "h:port"])
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        Target.parse(text)
