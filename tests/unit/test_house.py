import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_package_of_ours_can_be_uploaded_by_accident() -> None:
    members = [
        path
        for pattern in ("libs/*", "services/*", "local", "algorithms", "infra")
        for path in ROOT.glob(f"{pattern}/pyproject.toml")
    ]
    assert members
    for path in members:
        project = tomllib.loads(path.read_text())["project"]
        assert "Private :: Do Not Upload" in project["classifiers"], path
