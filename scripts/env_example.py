"""Write `.env.example`: every setting of every command, with its default and what it means.

The settings' classes are the truth; their docstrings are the words. `make env-example` runs this.
"""

import json
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, get_args

from penstock.command import Command
from penstock.resources import COMMANDS
from penstock.runtime.settings import CoreSettings
from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / ".env.example"
_HEAD = """\
# Every setting of every command, with its default; written by `make env-example` from the classes.
# A line that is commented out is unset by default.
# Where AWS is and who we are come from the standard AWS variables (AWS_ENDPOINT_URL and the like).
"""


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable as a settings class reads it."""

    name: str
    meaning: str
    default: str | None
    """As it would be written; None where it is unset."""
    needs: bool = False
    """Whether there is no default, so that the command does not start without it."""
    group: str | None = None
    """The optional group that it belongs to: unset as a whole by default."""

    def __str__(self) -> str:
        """Render the lines of the file."""
        required = f"required with {self.group}" if self.group else "required"
        words = f"# {self.meaning} ({required})" if self.needs else f"# {self.meaning}"
        mark = "#" if self.group or (self.default is None and not self.needs) else ""
        return f"{words}\n{mark}{self.name}={self.default or ''}\n"


@dataclass(frozen=True, slots=True)
class Section:
    """The variables of one command, or those that all commands share."""

    title: str
    settings: type[CoreSettings]
    variables: list[Variable] = field(default_factory=list)


def sections() -> list[Section]:
    """All variables: first those that every command shares, then each command's own."""
    shared = Section("every command", CoreSettings)
    found = [shared]
    for command in COMMANDS:
        settings = settings_of(command)
        section = Section(command.name, settings)
        for name, info in settings.model_fields.items():
            variables = list(_variables(settings, name, info))
            is_shared = name in CoreSettings.model_fields and info.validation_alias is not None
            target = shared if is_shared else section
            target.variables.extend(one for one in variables if one not in target.variables)
        found.append(section)
    return found


def settings_of(command: Command) -> type[CoreSettings]:
    """Find the class whose variables begin with the command's prefix."""
    package = import_module(command.image.replace("-", "_"))
    for module in _modules(package):
        import_module(module)
    prefix = f"{command.settings_prefix}_"
    for settings in _descendants(CoreSettings):
        if settings.model_config.get("env_prefix") == prefix:
            return settings
    raise LookupError(f"no settings of {command.name} begin with {prefix}")


def _modules(package: ModuleType) -> Iterator[str]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            yield module.name


def _descendants(settings: type[CoreSettings]) -> Iterator[type[CoreSettings]]:
    for child in settings.__subclasses__():
        yield child
        yield from _descendants(child)


def _variables(settings: type[CoreSettings], name: str, info: FieldInfo) -> Iterator[Variable]:
    prefix = settings.model_config.get("env_prefix", "")
    yield from _spread(_env_name(info) or f"{prefix}{name}".upper(), info, group=None)


def _env_name(info: FieldInfo) -> str | None:
    """The variable among the aliases: the field's own name stands there too, in lower case."""
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return next(str(choice) for choice in alias.choices if str(choice).isupper())
    return None


def _spread(name: str, info: FieldInfo, *, group: str | None) -> Iterator[Variable]:
    """Yield one variable, or those of a nested group."""
    nested = _nested(info)
    if nested is None:
        yield Variable(name, _meaning(name, info), _default(info), info.is_required(), group)
        return
    is_optional = not info.is_required() and info.get_default(call_default_factory=True) is None
    for inner, its in nested.model_fields.items():
        part = its.alias or inner
        yield from _spread(f"{name}__{part}".upper(), its, group=name if is_optional else group)


def _nested(info: FieldInfo) -> type[BaseModel] | None:
    """The group's class, where a setting is one or may be None."""
    parts = get_args(info.annotation)
    kinds = parts if NoneType in parts else (info.annotation,)
    groups = [one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)]
    return groups[0] if groups else None


def _meaning(name: str, info: FieldInfo) -> str:
    if not info.description:
        raise LookupError(f"{name} has no docstring")
    return " ".join(info.description.split())


def _default(info: FieldInfo) -> str | None:
    if info.is_required():
        return None
    return _written(info.get_default(call_default_factory=True), info)


def _written(value: Any, info: FieldInfo) -> str | None:
    match value:
        case None:
            return None
        case SecretStr():
            return ""
        case str() | Path():
            return str(value)
        case tuple() if NoDecode in info.metadata:
            return ",".join(value)
        case _:
            return json.dumps(value)


def render(found: Iterable[Section]) -> str:
    """Write the whole file."""
    blocks = [f"# --- {one.title}\n\n{''.join(map(str, one.variables))}" for one in found]
    return "\n".join([_HEAD, *blocks])


if __name__ == "__main__":
    EXAMPLE.write_text(render(sections()))
