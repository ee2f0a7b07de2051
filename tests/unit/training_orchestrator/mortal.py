"""A process that dies after its n-th effect: to prove that a repeat finishes what it began."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_EFFECTS = frozenset(
    {
        "write", "write_all", "put", "start", "stop", "ensure_model", "ensure_config", "create",
        "update", "remove",
    }
)  # fmt: skip


class Died(BaseException):
    """Nothing that the process could catch."""


class Life:
    """Counts effects, and ends after `effects` of them."""

    def __init__(self, effects: int) -> None:
        self.left = effects

    def of(self, port: T) -> T:
        """The same port, each of whose effects may be the last."""
        return _Mortal(port, self)  # type: ignore[return-value]  # it answers to the same calls

    def lived(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Died


class _Mortal:
    def __init__(self, port: object, life: Life) -> None:
        self._port = port
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._counted(found) if name in _EFFECTS else found

    def _counted(self, effect: Callable[..., Any]) -> Callable[..., Any]:
        async def done(*args: Any, **kwargs: Any) -> Any:
            answer = await effect(*args, **kwargs)
            self._life.lived()
            return answer

        return done
