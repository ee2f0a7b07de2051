"""discover(): one file, one plug-in. The only dynamic thing in the code base."""

import importlib
import pkgutil
from importlib.metadata import entry_points
from types import ModuleType
from typing import TypeVar

P = TypeVar("P")


def discover(
    package: ModuleType, *, attribute: str, kind: type[P], group: str | None = None
) -> dict[str, P]:
    """Import every submodule of `package` and gather its plug-in by file name.

    `group` names the entry points through which other distributions add their own.
    Raise TypeError at start where a module lacks the constant or has one of another kind.
    """
    found: dict[str, P] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        found[info.name] = _checked(module.__name__, getattr(module, attribute, None), kind)
    for point in entry_points(group=group) if group else ():
        if point.name in found:
            raise TypeError(f"two plug-ins are named {point.name}: {package.__name__} and {point}")
        found[point.name] = _checked(point.value, point.load(), kind)
    return found


def _checked(where: str, plugin: object, kind: type[P]) -> P:
    if not isinstance(plugin, kind):
        raise TypeError(f"{where} must define a {kind.__name__}; it has {plugin!r}")
    return plugin
