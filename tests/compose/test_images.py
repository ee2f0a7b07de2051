"""What every image promises, seen from outside and from within."""

import json
import re
from typing import Any

import pytest
from penstock.resources import COMMANDS
from penstock_algorithms.registry import algorithm_names

from tests.compose.containers import ROOT, docker, image_of, run

SERVICES = tuple(dict.fromkeys(command.image for command in COMMANDS))
ALGORITHMS = tuple(f"algorithm-{name}" for name in algorithm_names())
IMAGES = (*SERVICES, *ALGORITHMS, "migrations", "local")
LOCKS = dict.fromkeys(ALGORITHMS, "algorithms")
"""Lock by image where it has another name."""
OWN_PACKAGES = {
    **{image: {image, "penstock"} for image in SERVICES},
    **{image: {"penstock-algorithms"} for image in ALGORITHMS},
    "migrations": {"penstock"},
    "local": {
        *SERVICES, "penstock", "penstock-client", "penstock-algorithms", "penstock-local",
    },
}  # fmt: skip
BUILDERS = {"hatchling", "uv", "cyclonedx-bom", "pip", "editables"}
LABELS = ("title", "description", "version", "revision", "licenses", "base.name")
LOCKED_DOWN = (
    "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none",  # noqa: S108  # inside a container
    "--security-opt", "no-new-privileges:true",
)  # fmt: skip

pytestmark = pytest.mark.timeout(180)
each_image = pytest.mark.parametrize("image", IMAGES)
each_service = pytest.mark.parametrize("image", SERVICES)


def _inspect(image: str) -> dict[str, Any]:
    (found,) = json.loads(docker("image", "inspect", image))
    return dict(found)


def python_in(image: str, program: str) -> str:
    """Run a program in the image, locked down as compose does it, and return what it printed."""
    return docker(
        *("run", *LOCKED_DOWN, "--entrypoint", "python", image_of(image)),
        "-W",
        "error",
        "-c",
        program,
    )


@each_image
def test_it_runs_as_a_number_that_is_not_root_on_a_file_system_that_it_cannot_write(
    image: str,
) -> None:
    assert _inspect(image_of(image))["Config"]["User"] == "10001:10001"
    found = python_in(
        image,
        "import os, pathlib\n"
        "def writable(path):\n"
        "    try: pathlib.Path(path, 'x').write_text('x')\n"
        "    except OSError: return False\n"
        "    return True\n"
        "print(os.getuid(), os.getgid(), *map(writable, ('/', '/venv', '/etc', '/tmp')))\n",
    )
    assert found.split() == ["10001", "10001", "False", "False", "False", "True"]


@each_image
def test_nothing_of_ours_can_be_changed_by_who_runs_it(image: str) -> None:
    owners = docker(
        *("run", "--rm", "--network", "none", "--entrypoint", "find", image_of(image)),
        *("/venv", "(", "-user", "10001", "-o", "-perm", "-o+w", "-not", "-type", "l", ")"),
    )
    assert owners == ""


@each_image
def test_it_says_what_it_is_how_it_is_and_how_it_is_stopped(image: str) -> None:
    config = _inspect(image_of(image))["Config"]
    labels = config["Labels"]
    missing = [key for key in LABELS if not labels.get(f"org.opencontainers.image.{key}")]
    assert not missing
    assert labels["org.opencontainers.image.title"] == f"penstock-{image}"
    assert config["StopSignal"] == "SIGTERM"
    check = config["Healthcheck"]["Test"]
    assert check == ["NONE"] if image == "migrations" else check[:2] == ["CMD", "python"]


@each_image
def test_neither_its_environment_nor_its_history_holds_a_secret(image: str) -> None:
    base = set(_inspect(_inspect(image_of(image))["Config"]["Labels"][BASE_LABEL])["Config"]["Env"])
    ours = [one for one in _inspect(image_of(image))["Config"]["Env"] if one not in base]
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image_of(image))
    for told in (*ours, *history.splitlines()):
        assert not SECRET.search(told), told


BASE_LABEL = "org.opencontainers.image.base.name"
SECRET = re.compile(
    r"secret|passw|token|credential|private|api_?key|AKIA|psk_|://[^/\s]+:[^/\s]+@", re.IGNORECASE
)


@each_image
def test_its_list_of_packages_is_what_its_lock_says_and_ours(image: str) -> None:
    document = json.loads(
        docker(
            *("run", "--rm", "--network", "none", "--entrypoint", "cat", image_of(image)),
            "/venv/share/penstock/sbom.cdx.json",
        )
    )
    listed = {_normal(one["name"]): one["version"] for one in document["components"]}
    locked = _locked(LOCKS.get(image, image))
    assert document["bomFormat"] == "CycloneDX"
    assert listed.keys() - locked.keys() == OWN_PACKAGES[image]
    wrong = {name for name in listed.keys() & locked.keys() if listed[name] not in locked[name]}
    assert not wrong
    if image != "local":
        assert not BUILDERS & listed.keys()


def _locked(lock: str) -> dict[str, set[str]]:
    """Versions by package: more than one where they differ by version of Python."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE):
        versions.setdefault(_normal(name), set()).add(version)
    return versions


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@each_service
def test_what_was_trimmed_is_missed_by_no_module_of_ours(image: str) -> None:
    """Every module imports, so every library that it names is whole enough to be loaded."""
    package = image.replace("-", "_")
    python_in(
        image,
        "import importlib, pkgutil\n"
        f"import {package} as ours\n"
        "found = [m.name for m in pkgutil.walk_packages(ours.__path__, ours.__name__ + '.')]\n"
        "assert len(found) > 5, found\n"
        "for name in found: importlib.import_module(name)\n",
    )


@each_service
def test_it_can_call_every_aws_service_that_a_client_is_made_of(image: str) -> None:
    python_in(
        image,
        "import pathlib, boto3, botocore\n"
        "folders = pathlib.Path(botocore.__file__).with_name('data').iterdir()\n"
        "kept = [folder.name for folder in folders if folder.is_dir()]\n"
        "assert {'sqs', 'sns', 's3', 'dynamodb', 'sts'} <= set(kept), kept\n"
        "for name in kept: boto3.client(name, region_name='eu-west-1')\n",
    )


@each_service
def test_its_health_check_says_no_where_nothing_listens(image: str) -> None:
    checked = run(
        *("run", *LOCKED_DOWN, "--entrypoint", "python", image_of(image)),
        *("-m", "penstock.runtime.healthy"),
    )
    assert checked.returncode == 1
    assert "there are none" in checked.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_of_an_image_is_in_it(command: Any) -> None:
    found = docker(
        *("run", "--rm", "--network", "none", "--entrypoint", "sh", image_of(command.image)),
        *("-c", f"command -v {command.name}"),
    )
    assert found.strip() == f"/venv/bin/{command.name}"
