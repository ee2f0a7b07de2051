"""A batch: opened packs in a row, read as one sequence of predictions or column by column."""

from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, groupby
from operator import attrgetter
from typing import overload

from penstock.channels.predictions import Origin, PredictionPack, columns_of
from penstock.domain.predictions import Prediction

from results_writer.triage import refusals


class Batch(Sequence[Prediction]):
    """Predictions of many packs; a position counts through all of them.

    Predictions are made when the first one is asked for, and then kept. A sink that writes columns
    asks for none: it walks `packs`.
    """

    def __init__(self, packs: Sequence[PredictionPack]) -> None:
        """Take packs in the order of their positions."""
        self.packs = packs
        self._ends = list(accumulate(map(len, packs)))

    @classmethod
    def of(cls, predictions: Sequence[Prediction]) -> "Batch":
        """Answer a batch as it is; sort any other predictions into packs."""
        if isinstance(predictions, cls):
            return predictions
        runs = groupby(predictions, key=attrgetter("pack_id"))
        return cls([PredictionPack(pack_id, columns_of(list(run))) for pack_id, run in runs])

    def __len__(self) -> int:
        """How many predictions there are."""
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, position: int) -> Prediction: ...
    @overload
    def __getitem__(self, position: slice) -> list[Prediction]: ...
    def __getitem__(self, position: int | slice) -> Prediction | list[Prediction]:
        """Answer one, or those of a slice."""
        return self._predictions[position]

    def __iter__(self) -> Iterator[Prediction]:
        """Walk them in order."""
        return iter(self._predictions)

    def place_of(self, position: int) -> tuple[PredictionPack, int]:
        """The pack that a position lies in, and the place within it."""
        number = bisect_right(self._ends, position)
        pack = self.packs[number]
        return pack, position - (self._ends[number] - len(pack))

    def refusals(self, *, judged: Container[Origin] = ()) -> dict[int, str]:
        """Say of all that no sink can ever write why, by position, as `triage.refusals` does."""
        starts = [0, *self._ends]
        return {
            start + place: reason
            for start, pack in zip(starts, self.packs, strict=False)
            for place, reason in refusals(pack, judged=judged).items()
        }

    def at(self, positions: Sequence[int]) -> "Batch":
        """Answer a batch of these alone."""
        return Batch.of([self[position] for position in positions])

    @cached_property
    def _predictions(self) -> list[Prediction]:
        return [prediction for pack in self.packs for prediction in pack]
