"""The rows of a batch on their way to Aurora: which of them are written, in which order."""

from collections.abc import Collection, Iterable, Mapping, Sequence
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

    @cached_property
    def rows(self) -> list[bytes]:
        """The row of each position."""
        return rows_of(zip(self.packs, self.origins, strict=True))

    @cached_property
    def keys(self) -> list[Key]:
        """The identity of each position."""
        return list(chain.from_iterable(map(keys_of, self.packs, self.origins)))

    def in_haste(self) -> list[bytes]:
        """Every row, as if no identity came twice: to be tried where that is likely.

        Sorted by time, so that the index grows at its end, and the same for the same packs.
        """
        return sorted(self.rows)

    @cached_property
    def newest(self) -> list[int]:
        """The position of the greatest precedence of each identity, in the order of identities.

        Writers that lock rows in this order never wait in a circle.
        """
        keys = self.keys
        order = sorted(range(len(keys)), key=keys.__getitem__)
        in_order = [keys[position] for position in order]
        if not any(map(eq, in_order, islice(in_order, 1, None))):
            return order
        ranked = list(zip(keys, self._precedences, strict=True))
        order.sort(key=ranked.__getitem__)
        pairs = zip(order, in_order, [*in_order[1:], None], strict=True)
        return [position for position, key, after in pairs if key != after]

    def superseded(self, kept: Sequence[int], held: Mapping[Key, Precedence]) -> Collection[int]:
        """Positions that the batch itself, or Aurora with what it holds, has something greater of.

        `kept` are the positions that Aurora was asked about. A repeat is not superseded.
        """
        has_repeats = len(self.newest) < len(self.keys)
        places: Sequence[int] = range(len(self.keys))
        if not has_repeats:
            places = [position for position in kept if self.keys[position] in held]
        greatest = dict(held)
        for place in places:
            key, precedence = self.keys[place], self._precedences[place]
            greatest[key] = max(greatest.get(key, precedence), precedence)
        return [n for n in places if self._precedences[n] < greatest[self.keys[n]]]

    @cached_property
    def _precedences(self) -> list[Precedence]:
        return list(chain.from_iterable(map(_precedences_of, self.packs)))


def _precedences_of(pack: PredictionPack) -> Iterable[Precedence]:
    c = pack.columns
    return zip(c.revision, c.predicted_at, repeat(pack.id, len(pack)), strict=True)
