import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from penstock_local.sagemaker.archives import BadArchiveError, pack, unpack


def fill(folder: Path, names: list[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_same_files_give_the_same_bytes_whenever_and_however_made(tmp_path: Path) -> None:
    names = ["b.json", "a/deep/model.bin", "xgboost-model"]
    one = fill(tmp_path / "one", names)
    two = fill(tmp_path / "two", names[::-1])
    for path in two.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1_000_000, 1_000_000))

    pack(one, tmp_path / "one.tar.gz")
    pack(two, tmp_path / "a-longer-name.tar.gz")

    assert digest(tmp_path / "one.tar.gz") == digest(tmp_path / "a-longer-name.tar.gz")


def test_another_content_gives_other_bytes(tmp_path: Path) -> None:
    pack(fill(tmp_path / "one", ["a"]), tmp_path / "one.tar.gz")
    pack(fill(tmp_path / "two", ["b"]), tmp_path / "two.tar.gz")

    assert digest(tmp_path / "one.tar.gz") != digest(tmp_path / "two.tar.gz")


def test_unpacked_is_what_was_packed(tmp_path: Path) -> None:
    source = fill(tmp_path / "source", ["a/model.json", "run.sh"])
    (source / "run.sh").chmod(0o755)
    (source / "empty").mkdir()
    (source / "link").symlink_to("run.sh")

    pack(source, tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "model")

    model = tmp_path / "model"
    found = sorted(path.relative_to(model).as_posix() for path in model.rglob("*"))
    assert found == ["a", "a/model.json", "empty", "link", "run.sh"]
    assert os.access(model / "run.sh", os.X_OK)
    assert not os.access(model / "a/model.json", os.X_OK) or os.geteuid() == 0
    assert not (tmp_path / "model.partial").exists()


def test_archive_that_would_write_elsewhere_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("../evil")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))

    with pytest.raises(BadArchiveError, match="outside"):
        unpack(tmp_path / "evil.tar.gz", tmp_path / "model")

    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("damage", [b"no archive at all", b""])
def test_what_is_no_archive_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "model.tar.gz").write_bytes(damage)

    with pytest.raises(BadArchiveError, match=r"model\.tar\.gz"):
        unpack(tmp_path / "model.tar.gz", tmp_path / "model")


def test_archive_cut_short_is_named(tmp_path: Path) -> None:
    pack(fill(tmp_path / "source", [f"file-{number}" for number in range(50)]), tmp_path / "m.gz")
    whole = (tmp_path / "m.gz").read_bytes()
    (tmp_path / "m.gz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(BadArchiveError, match=r"m\.gz"):
        unpack(tmp_path / "m.gz", tmp_path / "model")

    assert not (tmp_path / "model").exists()
