"""Programs under the contract: isolated, stopped, swept; with tiny shell scripts as programs."""

import asyncio
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from penstock_local.sagemaker.container import (
    Container,
    ContainerHost,
    ContainerSpec,
    make_ml_folders,
)
from penstock_local.sagemaker.isolation import Isolation, IsolationError, detect_isolation
from penstock_local.sagemaker.orphans import MARKER, mark_of, sweep

from tests.fixtures.waiting import until


def a_host(folder: Path, *, run: str = "", isolation: Isolation | None = None) -> ContainerHost:
    return ContainerHost(
        isolation=isolation or Isolation("directory"),
        root=folder / "overlays",
        mark=mark_of(folder, run or uuid.uuid4().hex),
        region="eu-west-1",
        s3_endpoint_url=None,
    )


async def start(
    host: ContainerHost, folder: Path, script: str, environment: Mapping[str, str] | None = None
) -> Container:
    ml = folder / "ml"
    make_ml_folders(ml)
    spec = ContainerSpec(
        argv=("/bin/sh", "-c", script),
        environment=environment or {},
        ml=ml,
        log_path=folder / "program.log",
    )
    return await host.start(spec)


async def has_said(folder: Path, text: str) -> None:
    await until(lambda: text in (folder / "program.log").read_text())


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def host_has_opt_ml() -> bool:
    return Path("/opt/ml").exists()


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
async def test_exit_code_is_a_containers(tmp_path: Path, script: str, code: int) -> None:
    container = await start(a_host(tmp_path), tmp_path, script)

    assert await container.wait() == code


async def test_program_gets_the_contracts_environment_and_little_else(tmp_path: Path) -> None:
    os.environ["PENSTOCK_SECRET_OF_THE_SERVER"] = "hidden"
    try:
        host = a_host(tmp_path)
    finally:
        del os.environ["PENSTOCK_SECRET_OF_THE_SERVER"]
    container = await start(host, tmp_path, "env", {"PLANT": "boiler", MARKER: "stolen"})
    await container.wait()

    said = dict(line.split("=", 1) for line in (tmp_path / "program.log").read_text().splitlines())
    assert said["PLANT"] == "boiler"
    assert said["SAGEMAKER_BASE_DIR"] == str(tmp_path / "ml")
    assert said["SM_MODEL_DIR"] == str(tmp_path / "ml/model")
    assert said["AWS_REGION"] == "eu-west-1"
    assert said["OMP_NUM_THREADS"] == "1"
    assert said[MARKER].startswith(mark_of(tmp_path))
    assert "PENSTOCK_SECRET_OF_THE_SERVER" not in said


async def test_stop_lets_a_program_finish_within_the_grace(tmp_path: Path) -> None:
    script = "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    container = await start(a_host(tmp_path), tmp_path, script)
    await has_said(tmp_path, "up")

    assert await container.stop(10) == 0
    assert "saved" in (tmp_path / "program.log").read_text()


async def test_stop_kills_a_program_that_will_not_end(tmp_path: Path) -> None:
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    container = await start(a_host(tmp_path), tmp_path, script)
    await has_said(tmp_path, "up")

    assert await container.stop(0.1) == 137


async def test_children_end_with_their_program(tmp_path: Path) -> None:
    container = await start(a_host(tmp_path), tmp_path, "sleep 600 & echo child=$!; exit 0")
    await container.wait()
    await has_said(tmp_path, "child=")

    pid = int((tmp_path / "program.log").read_text().partition("=")[2])
    await until(lambda: not is_running(pid))


async def test_sweep_ends_all_runs_of_its_state_directory_and_no_other(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    folders = [one / "first", one / "second", two]
    for folder in folders:
        folder.mkdir(parents=True)
    hosts = [a_host(one, run="first"), a_host(one, run="second"), a_host(two)]
    script = "echo up; exec sleep 600"
    first, second, other = [
        await start(host, folder, script) for host, folder in zip(hosts, folders, strict=True)
    ]
    for folder in folders:
        await has_said(folder, "up")

    assert await asyncio.to_thread(sweep, mark_of(one, "first")) == 1
    assert await first.wait() == 137
    assert second.is_running

    assert await asyncio.to_thread(sweep, mark_of(one)) == 1
    assert await second.wait() == 137
    assert other.is_running
    await other.stop(1)


async def test_namespace_gives_each_program_its_own_opt_ml(tmp_path: Path) -> None:
    isolation = detect_isolation("auto", tmp_path / "probe")
    if isolation.mode != "namespace":
        pytest.skip("this machine has no private mount namespaces")
    host = a_host(tmp_path, isolation=isolation)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    before = host_has_opt_ml()

    containers = [
        await start(host, tmp_path / name, f"echo {name} > /opt/ml/model/name; ls /opt/ml")
        for name in ("one", "two")
    ]

    assert [await container.wait() for container in containers] == [0, 0]
    for name in ("one", "two"):
        assert (tmp_path / name / "ml/model/name").read_text() == f"{name}\n"
    assert host_has_opt_ml() == before
    assert list((tmp_path / "overlays").iterdir()) == []


def test_command_is_wrapped_only_where_there_is_a_namespace(tmp_path: Path) -> None:
    ml = tmp_path / "ml"
    plain = Isolation("directory", death_signal=("setpriv", "--"))
    assert plain.wrap(["train"], ml=ml, scratch=tmp_path) == ["setpriv", "--", "train"]
    assert plain.base_dir(ml) == ml

    namespace = Isolation("namespace", unshare=("unshare", "-m"))
    wrapped = namespace.wrap(["train"], ml=ml, scratch=tmp_path)
    assert wrapped[:2] == ["unshare", "-m"]
    assert wrapped[-3:] == [str(ml), str(tmp_path), "train"]
    assert namespace.base_dir(ml) == Path("/opt/ml")


def test_folder_that_cannot_hold_an_overlay_is_found_out_at_the_start(tmp_path: Path) -> None:
    """The probe runs where the overlays will be: a comma in the path spoils mount's options."""
    root = tmp_path / "a,b"

    assert detect_isolation("auto", root).mode == "directory" or host_has_opt_ml()
    if not host_has_opt_ml():
        with pytest.raises(IsolationError):
            detect_isolation("namespace", root)
