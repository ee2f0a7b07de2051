"""The rows of a batch on their way to Aurora: which of them are written, in which order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, repeat
from operator import eq

from penstock.channels.predictions import PredictionPack

from results_writer.aurora_wire import Key, OriginFields, keys_of, rows_of
from results_writer.triage import Precedence


@dataclass(frozen=True)
class AuroraBatch:
    """Packs, and how the origins of each are laid out; positions count through all packs."""

    packs: Sequence[PredictionPack]
    origins: Sequence[Sequence[OriginFields]]

    def in_haste(self) -> list[bytes]:
        """Every row, as if no identity came twice: to be tried where that is likely.

        Sorted by time, so that the index grows at its end, and the same for the same packs.
        """
        return sorted(self._rows)

    def in_order(self) -> list[bytes]:
        """The newest row of each identity, sorted by it: so no writers wait in a circle."""
        return [self._rows[position] for position in self._newest]

    def superseded(self, held: Mapping[Key, Precedence]) -> Collection[int]:
        """Positions that the batch itself, or Aurora with what it holds, has something greater of.

        A repeat of what is kept is not superseded.
        """
        if not held and len(self._newest) == len(self._keys):
            return ()
        greatest = {self._keys[place]: self._precedences[place] for place in self._newest}
        for key, precedence in held.items():
            greatest[key] = max(greatest[key], precedence)
        known = zip(self._keys, self._precedences, strict=True)
        return [n for n, (key, precedence) in enumerate(known) if precedence < greatest[key]]

    @cached_property
    def _rows(self) -> list[bytes]:
        return rows_of(zip(self.packs, self.origins, strict=True))

    @cached_property
    def _keys(self) -> list[Key]:
        return list(chain.from_iterable(map(keys_of, self.packs, self.origins)))

    @cached_property
    def _precedences(self) -> list[Precedence]:
        return [
            precedence
            for pack in self.packs
            for precedence in zip(
                pack.columns.revision, pack.columns.predicted_at, repeat(pack.id, len(pack)),
                strict=True,
            )
        ]  # fmt: skip

    @cached_property
    def _newest(self) -> list[int]:
        """The position of the greatest precedence of each identity, in the order of identities."""
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        in_order = [self._keys[position] for position in order]
        if not any(map(eq, in_order, islice(in_order, 1, None))):
            return order
        newest: dict[Key, int] = {}
        for position in order:
            held = newest.setdefault(self._keys[position], position)
            if self._precedences[position] > self._precedences[held]:
                newest[self._keys[position]] = position
        return list(newest.values())
