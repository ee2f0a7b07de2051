"""What images are built from, and what is taken out of them."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from penstock.resources import COMMANDS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def _load_trimming() -> ModuleType:
    # Not a package: it runs in images before anything of ours is installed.
    path = ROOT / "scripts" / "images" / "trim_environment.py"
    spec = importlib.util.spec_from_file_location("trim_environment", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


trimming = _load_trimming()


def test_images_keep_the_description_of_every_aws_service_that_has_a_client() -> None:
    sources = [*ROOT.glob("libs/penstock/**/*.py"), *ROOT.glob("services/**/*.py")]
    used = {
        name
        for path in sources
        for name in re.findall(r"\.(?:client|create_client)\(\s*\"([a-z-]+)\"", path.read_text())
    }
    assert {"sqs", "sagemaker-runtime"} <= used
    assert used <= trimming.KEPT_AWS_SERVICES


def _wheel(site: Path, name: str, files: dict[str, bytes]) -> None:
    info = site / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)


def test_what_no_service_loads_goes_and_the_rest_stays(tmp_path: Path) -> None:
    files = {
        "scipy/sparse/tests/test_base.py": b"",
        "scipy/sparse/base.py": b"",
        "uvloop/loop.pyx": b"",
        "pyarrow/libarrow_flight.so.2600": b"",
        "pyarrow/libarrow.so.2600": b"",
        "botocore/data/sqs/2012-11-05/service-2.json.gz": b"",
        "botocore/data/ec2/2016-11-15/service-2.json.gz": b"",
        "botocore/data/endpoints.json": b"",
    }
    _wheel(tmp_path, "some", files)

    for path in [*trimming.trimmed(tmp_path), *trimming.unused_services(tmp_path)]:
        trimming.remove(path)

    left = {path for path in files if (tmp_path / path).exists()}
    assert left == {
        "scipy/sparse/base.py",
        "pyarrow/libarrow.so.2600",
        "botocore/data/sqs/2012-11-05/service-2.json.gz",
        "botocore/data/endpoints.json",
    }


def test_modules_that_were_rewritten_to_find_bundled_libraries_are_not_stripped(
    tmp_path: Path,
) -> None:
    module = b"0" * (trimming.WORTH_STRIPPING_BYTES + 1)
    _wheel(tmp_path, "plain", {"plain/loop.so": module, "plain/small.so": b"0", "plain/x.py": b""})
    bundled = {"sklearn/tree.so": module, "scikit_learn.libs/libgomp-1.so.1": module}
    _wheel(tmp_path, "scikit_learn", bundled)
    _wheel(tmp_path, "pyarrow", {"pyarrow/libarrow.so.2600": module})

    assert set(trimming.strippable(tmp_path)) == {
        tmp_path / "plain" / "loop.so",
        tmp_path / "pyarrow" / "libarrow.so.2600",
    }


@pytest.mark.parametrize(("kept_bytes", "is_replaced"), [(10, True), (99, False)])
def test_a_file_that_stripping_does_not_make_smaller_is_left_alone(
    tmp_path: Path, kept_bytes: int, is_replaced: bool
) -> None:
    module, program = tmp_path / "loop.so", tmp_path / "strip"
    module.write_bytes(b"0" * 100)
    before = module.stat().st_ino
    program.write_text(f'#!/bin/sh\nhead -c {kept_bytes} "$4" >"$3"\n')
    program.chmod(0o755)

    trimming.strip(module, str(program))

    assert (module.stat().st_ino != before) is is_replaced
    assert module.stat().st_size == (kept_bytes if is_replaced else 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop.so", "strip"]


@pytest.mark.parametrize("image", sorted({command.image for command in COMMANDS}))
def test_every_image_of_a_service_has_a_lock_with_hashes(image: str) -> None:
    lock = (ROOT / "requirements" / f"{image}.txt").read_text()
    assert "--hash=sha256:" in lock
    assert "hatchling" not in lock, "our packages are built beside images, not in them"


def test_images_are_labelled_with_the_version_of_the_packages_in_them() -> None:
    (version,) = re.findall(r"^ARG VERSION=(.+)$", DOCKERFILE, re.MULTILINE)
    members = [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]
    assert {tomllib.loads(m.read_text())["project"]["version"] for m in members} == {version}


def test_the_dockerfile_names_no_machine_and_no_frontend_of_its_own() -> None:
    assert not DOCKERFILE.startswith("# syntax")
    hosts = re.findall(r"https?://([^/:'\"\s]+)", DOCKERFILE)
    assert set(hosts) <= {"127.0.0.1"}
    assert not re.search(r"trusted-host|index-url|CERT|PROXY", DOCKERFILE, re.IGNORECASE)
