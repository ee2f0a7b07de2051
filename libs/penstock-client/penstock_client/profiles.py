"""Profiles of deployments: where each is, and where its token comes from; never the token itself.

```toml
[prod]
url = "https://penstock.example.com"
token_command = ["aws", "secretsmanager", "get-secret-value", "--secret-id", "penstock/token",
                 "--query", "SecretString", "--output", "text"]

[local]
url = "http://127.0.0.1:8080"
token_env = "PENSTOCK_TOKEN"
```
"""

import os
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_client.errors import PenstockClientError

PATH_VARIABLE = "PENSTOCK_CONFIG"
DEFAULT_PATH = Path("~/.config/penstock/profiles.toml")
_FIELDS = frozenset({"url", "token_env", "token_command"})
_COMMAND_SECONDS = 60.0


class BadProfile(PenstockClientError):
    """A profile is missing or wrong; the text names the file and what to write in it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One deployment: its address, and one way to its token."""

    name: str
    url: str
    token_env: str = ""
    token_command: tuple[str, ...] = ()

    def token(self, environment: Mapping[str, str]) -> str:
        """Fetch the token; raise BadProfile saying what gave none."""
        if self.token_env:
            token = environment.get(self.token_env, "").strip()
            if not token:
                raise BadProfile(f"profile {self.name}: the variable {self.token_env} is not set")
            return token
        return _printed_by(self.token_command, profile=self.name)


def profiles_path(environment: Mapping[str, str]) -> Path:
    """Where the profiles are: PENSTOCK_CONFIG, or the usual place."""
    return Path(environment.get(PATH_VARIABLE) or DEFAULT_PATH).expanduser()


def load_profile(name: str, environment: Mapping[str, str]) -> Profile:
    """Read one profile; raise BadProfile."""
    path = profiles_path(environment)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadProfile(
            f"{path} does not exist: write [{name}] with url and token_env or token_command in it,"
            f" or set {PATH_VARIABLE}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise BadProfile(f"{path} is not TOML: {error}") from error
    if name not in document:
        known = ", ".join(sorted(document)) or "none"
        raise BadProfile(f"{path} has no profile {name}; it has {known}")
    return _profile(path, name, document[name])


def _profile(path: Path, name: str, row: Any) -> Profile:
    def wrong(why: str) -> BadProfile:
        return BadProfile(f"{path}, [{name}]: {why}")

    if not isinstance(row, dict):
        raise wrong("a profile is a table")
    if "token" in row:
        raise wrong("no token in a file: name a variable (token_env) or a program (token_command)")
    unknown = sorted(set(row) - _FIELDS)
    if unknown:
        raise wrong(f"unknown {', '.join(unknown)}; there are {', '.join(sorted(_FIELDS))}")
    url = row.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise wrong("`url` is the deployment's address, with https://")
    command, variable = row.get("token_command", []), row.get("token_env", "")
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise wrong("`token_command` is a list of words, run without a shell")
    if not isinstance(variable, str) or bool(command) == bool(variable):
        raise wrong("give either `token_env` or `token_command`")
    return Profile(name, url, variable, tuple(command))


def _printed_by(command: Sequence[str], *, profile: str) -> str:
    told = f"profile {profile}: {command[0]}"
    try:
        done = subprocess.run(  # noqa: S603 -- the words of the person's own profile, no shell
            command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False,
            env=dict(os.environ),
        )  # fmt: skip
    except FileNotFoundError as error:
        raise BadProfile(f"{told} is not there") from error
    except subprocess.TimeoutExpired as error:
        raise BadProfile(f"{told} said nothing within {_COMMAND_SECONDS:g} s") from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BadProfile(f"{told} ended with {done.returncode}: {why}")
    token = done.stdout.strip()
    if not token:
        raise BadProfile(f"{told} printed no token")
    return token
