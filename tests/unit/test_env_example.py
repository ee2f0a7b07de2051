import re
from collections.abc import Mapping

import pytest
from penstock.resources import COMMANDS
from penstock.runtime.settings import CoreSettings
from pydantic import ValidationError
from pydantic_settings import SettingsError

from scripts.env_example import EXAMPLE, ROOT, Section, Variable, render, sections, settings_of

NONSENSE = "!"
"""No number, no list, no choice, and no default of any text."""


def test_the_example_is_what_the_settings_are() -> None:
    assert EXAMPLE.read_text() == render(sections()), "run `make env-example`"


def test_every_command_has_its_section() -> None:
    assert [one.title for one in sections()[1:]] == [command.name for command in COMMANDS]


def test_every_variable_is_read_by_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, *others = sections()
    unread = [
        f"{section.title}: {variable.name}"
        for section in others
        for variable in (*shared.variables, *section.variables)
        if not _is_read(section, variable, monkeypatch)
    ]
    assert not unread


def _is_read(section: Section, variable: Variable, monkeypatch: pytest.MonkeyPatch) -> bool:
    needed = {
        one.name: "needed"
        for one in section.variables
        if one.needs and one.group in {None, variable.group}
    }
    before = _made(section.settings, needed, monkeypatch)
    try:
        return _made(section.settings, needed | {variable.name: NONSENSE}, monkeypatch) != before
    except (ValidationError, SettingsError):
        return True


def _made(
    settings: type[CoreSettings], variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> CoreSettings:
    with monkeypatch.context() as patched:
        for name, value in variables.items():
            patched.setenv(name, value)
        return settings()


def test_no_secret_has_a_default() -> None:
    secret = re.compile("DSN|PASSWORD|PASSPHRASE|KEY$")
    found = [v for section in sections() for v in section.variables if secret.search(v.name)]
    assert len(found) >= 6
    assert not [variable.name for variable in found if variable.default]


def test_every_setting_of_a_command_is_used_in_its_code() -> None:
    """One that nobody looks at would be believed in."""
    shared = {name for name, info in CoreSettings.model_fields.items() if info.validation_alias}
    read_by_run_service = {"host", "port", "drain_seconds"}
    for command in COMMANDS:
        files = sorted((ROOT / "services" / command.image).rglob("*.py"))
        text = "".join(file.read_text() for file in files)
        for name in settings_of(command).model_fields.keys() - shared - read_by_run_service:
            assert re.search(rf"(settings|self)\.{name}\b", text), f"{command.name}: {name}"
