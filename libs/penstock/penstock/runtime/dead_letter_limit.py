"""When dead-lettering must stop: a queue that dies as a whole is not at fault itself."""

from collections import deque

from penstock.domain.errors import Unavailable

_WINDOWS = 10
"""How many times the least count of items is looked back on."""


class DeadLetterLimit:
    """Lets items die as long as they are few among the recent ones; then refuses until reset.

    A wrong deployment may refuse every message: without a limit it would empty the queue into the
    bin within minutes, and what was in order is lost to sight.
    """

    def __init__(self, *, share: float, least: int) -> None:
        """Keep the limit: a share of the recent items, of which there are at least so many."""
        self._share = share
        self._least = least
        self._recent: deque[tuple[int, int]] = deque()
        self._total = 0
        self._dead = 0
        self._is_tripped = False

    @property
    def is_tripped(self) -> bool:
        """Whether too many died, and nobody has looked since."""
        return self._is_tripped

    def check(self) -> None:
        """Raise Unavailable while too many die."""
        if self._is_tripped:
            raise Unavailable(
                f"more than {self._share:.0%} of the recent items were to be dead-lettered, so the"
                " others stay in the queue: find out why"
            )

    def admit(self, total: int, *, dead: int) -> None:
        """Count items of which some are to die; raise Unavailable where those are too many."""
        self._recent.append((total, dead))
        self._total += total
        self._dead += dead
        while self._total - self._recent[0][0] >= self._least * _WINDOWS:
            old_total, old_dead = self._recent.popleft()
            self._total -= old_total
            self._dead -= old_dead
        if dead and self._total >= self._least and self._dead > self._share * self._total:
            self._is_tripped = True
        self.check()

    def reset(self) -> None:
        """Begin anew: somebody has looked."""
        self._recent.clear()
        self._total = self._dead = 0
        self._is_tripped = False
