import json
import os
from pathlib import Path

import psutil
from penstock_local import stackfile
from penstock_local.identity import Identity, identify, myself
from penstock_local.running import State
from penstock_local.stackfile import PartEntry, StackFile


def make_file(supervisor: Identity) -> StackFile:
    part = PartEntry(
        name="aws",
        state=State.READY,
        endpoint="http://127.0.0.1:4566",
        port=4566,
        identity=Identity(4242, 1.5),
        restarts=1,
        note="",
        log="/state/logs/aws.log",
    )
    return StackFile(
        supervisor=supervisor, is_ready=True, environment={"AWS_REGION": "x"}, parts=(part,)
    )


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    content = make_file(Identity(1, 2.5))
    stackfile.write(tmp_path, content)
    assert stackfile.read(tmp_path) == content
    assert json.loads((tmp_path / "stack.json").read_text())["parts"]["aws"]["process"] == {
        "pid": 4242,
        "began_at": 1.5,
    }


def test_no_file_is_no_stack(tmp_path: Path) -> None:
    assert stackfile.read(tmp_path) is None


def test_only_the_writer_removes_it(tmp_path: Path) -> None:
    stackfile.write(tmp_path, make_file(Identity(1, 2.5)))
    stackfile.remove(tmp_path)
    assert stackfile.read(tmp_path) is not None
    stackfile.write(tmp_path, make_file(myself()))
    stackfile.remove(tmp_path)
    assert stackfile.read(tmp_path) is None


def test_a_pid_that_was_given_to_another_process_is_not_ours() -> None:
    assert myself().process == psutil.Process(os.getpid())
    assert Identity(os.getpid(), began_at=myself().began_at - 3600).process is None


def test_a_process_that_has_ended_is_nobody() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    identity = identify(pid)
    os.waitpid(pid, 0)
    assert identity is None or identity.process is None
    assert identify(pid) is None
