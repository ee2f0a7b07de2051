import sys
from pathlib import Path

import pytest
from penstock_client.profiles import BadProfile, load_profile

PRINTS = f'["{sys.executable}", "-c", "print(\'t0ken\')"]'


def write(folder: Path, text: str) -> dict[str, str]:
    path = folder / "profiles.toml"
    path.write_text(text)
    return {"PENSTOCK_CONFIG": str(path), "PROD_TOKEN": "from-the-environment"}


def test_a_token_comes_from_a_variable(tmp_path: Path) -> None:
    environment = write(
        tmp_path, '[prod]\nurl = "https://penstock.example.com"\ntoken_env = "PROD_TOKEN"'
    )
    profile = load_profile("prod", environment)
    assert profile.url == "https://penstock.example.com"
    assert profile.token(environment) == "from-the-environment"
    with pytest.raises(BadProfile, match="PROD_TOKEN is not set"):
        profile.token({})


def test_a_token_comes_from_a_program(tmp_path: Path) -> None:
    environment = write(tmp_path, f'[prod]\nurl = "https://p"\ntoken_command = {PRINTS}')
    assert load_profile("prod", environment).token({}) == "t0ken"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit('AccessDenied: no')", "AccessDenied"),
        ("pass", "printed no token"),
    ],
)
def test_a_program_that_gives_no_token_is_told(tmp_path: Path, program: str, words: str) -> None:
    command = f'["{sys.executable}", "-c", "{program}"]'
    environment = write(tmp_path, f'[prod]\nurl = "https://p"\ntoken_command = {command}')
    with pytest.raises(BadProfile, match=words):
        load_profile("prod", environment).token({})


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    environment = write(tmp_path, '[prod]\nurl = "https://p"\ntoken_command = ["no-such-program"]')
    with pytest.raises(BadProfile, match="no-such-program is not there"):
        load_profile("prod", environment).token({})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[dev]\n", "no profile prod; it has dev"),
        ("prod = 3", "a profile is a table"),
        ("[prod", "not TOML"),
        ('[prod]\nurl = "https://p"\ntoken = "secret"', "no token in a file"),
        ('[prod]\nurl = "penstock.example.com"\ntoken_env = "T"', "with https"),
        ('[prod]\nurl = "https://p"', "either"),
        ('[prod]\nurl = "https://p"\ntoken_env = "T"\ntoken_command = ["x"]', "either"),
        ('[prod]\nurl = "https://p"\ntoken_command = "echo x"', "list of words"),
        ('[prod]\nurl = "https://p"\ntoken_env = "T"\nregion = "x"', "unknown region"),
    ],
)
def test_a_profile_that_is_wrong_is_told_with_what_to_write(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(BadProfile, match=words):
        load_profile("prod", write(tmp_path, text))


def test_a_missing_file_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    with pytest.raises(BadProfile, match=r"profiles\.toml does not exist: write \[prod\]"):
        load_profile("prod", {"PENSTOCK_CONFIG": str(path)})
