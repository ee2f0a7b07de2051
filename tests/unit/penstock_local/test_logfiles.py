from pathlib import Path

from penstock_local.logfiles import last_lines, rotate_if_full


def test_a_log_below_the_limit_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    log.write_text("line\n")
    assert not rotate_if_full(log, limit_bytes=100)
    assert not rotate_if_full(tmp_path / "none.log", limit_bytes=1)
    assert log.read_text() == "line\n"


def test_a_writer_goes_on_in_the_emptied_file(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    with log.open("a") as writer:
        writer.write("old\n")
        writer.flush()
        assert rotate_if_full(log, limit_bytes=4)
        writer.write("new\n")
    assert log.read_text() == "new\n"
    assert (tmp_path / "aws.log.1").read_text() == "old\n"


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    for number in range(5):
        log.write_text(f"{number}")
        rotate_if_full(log, limit_bytes=1, kept=2)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "aws.log": "",
        "aws.log.1": "4",
        "aws.log.2": "3",
    }


def test_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    assert last_lines(log, 2) == "line 998\nline 999"
    assert last_lines(tmp_path / "none.log") == ""
