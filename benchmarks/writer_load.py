"""What `benchmarks/writer.py` writes: packs of predictions, some of them again where asked for."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from penstock.channels.predictions import CHANNEL, predictions_message
from penstock.domain.ids import LIVE, AssetName, BindingName, PackId
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import SECOND, Micros, parse_iso

REPEATED = 0.1
"""Share of a batch that comes again; half of it corrected, half as it was."""

_NOON = parse_iso("2026-11-20T12:00:00Z")
_FEATURES = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """How much is written, and in which portions."""

    batches: int
    packs_per_batch: int
    rows_per_pack: int
    assets: int

    @property
    def rows(self) -> int:
        return self.batches * self.packs_per_batch * self.rows_per_pack


def batches(shape: Shape, *, repeated: float, seed: int = 7) -> list[list[list[Prediction]]]:
    """Predictions by batch and pack: every asset once a second, in turn, as live ones come."""
    draw = random.Random(seed)
    fresh = _fresh(shape, draw)
    made: list[list[list[Prediction]]] = []
    earlier: list[Prediction] = []
    count = round(shape.rows_per_pack * repeated)
    for number in range(shape.batches):
        again = iter(_again(earlier, count * shape.packs_per_batch, draw) if earlier else [])
        batch, new = [], []
        for place in range(shape.packs_per_batch):
            pack = list(islice(again, count))
            new += (first := list(islice(fresh, shape.rows_per_pack - len(pack))))
            pack_id = PackId(f"01kafzcf00{number:08}{place:08}")
            batch.append([replace(p, pack_id=pack_id) for p in (*pack, *first)])
        made.append(batch)
        earlier += new
    return made


def bodies(batch: Sequence[Sequence[Prediction]]) -> list[bytes]:
    """The packs of a batch as they lie in the queue."""
    return [
        CHANNEL.encode(
            predictions_message(pack, pack_id=pack[0].pack_id, created_at=pack[0].predicted_at)
        ).encode()
        for pack in batch
    ]


def _fresh(shape: Shape, draw: random.Random) -> Iterator[Prediction]:
    at = _NOON
    while True:
        trace = f"{draw.getrandbits(128):032x}"
        for asset in range(shape.assets):
            yield _prediction(asset, Micros(at + asset), trace, draw)
        at = Micros(at + SECOND)


def _prediction(asset: int, at: Micros, trace: str, draw: random.Random) -> Prediction:
    probability = draw.random()
    return Prediction(
        binding=BindingName("pump-failure"), asset=AssetName(f"SITE01-P-{asset:05}"),
        event_time=at, run=LIVE, revision=1, site=f"SITE{asset % 4:02}", asset_type="pump",
        model="pump-failure", model_version="v12", variant="v12",
        kind=PredictionKind.CLASSIFICATION, value=probability, probability=probability,
        decision=probability >= 0.7, threshold=0.7, quality=Quality.GOOD, features_missing=0,
        flags=PredictionFlag.NONE, received_at=Micros(at + 50_000 + draw.randrange(40_000)),
        predicted_at=Micros(at + 120_000), pack_id=PackId("-"), trace_id=trace,
        features=tuple(round(draw.gauss(70, 5), 3) for _ in range(_FEATURES)),
    )  # fmt: skip


def _again(earlier: Sequence[Prediction], count: int, draw: random.Random) -> list[Prediction]:
    return [
        replace(p, revision=2, predicted_at=Micros(p.predicted_at + SECOND)) if n % 2 else p
        for n, p in enumerate(draw.sample(earlier, count))
    ]
