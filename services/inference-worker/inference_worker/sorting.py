"""A pack of readings by asset, and its sequences as finished frames. All pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from penstock.channels.deferred import FrameRow
from penstock.channels.readings import ReadingColumns, reading_rows, sequences_of
from penstock.domain.assets import sequence_binding
from penstock.domain.ids import LIVE, AssetName, PackId
from penstock.domain.readings import Quality, ReadingFlag
from penstock.domain.readings import Sequence as SequenceReading
from penstock.domain.samples import Sample
from penstock.domain.time import Micros
from penstock.registry import CHAMPION

from inference_worker.arrivals import Arrival, prediction_flags
from inference_worker.bound import BoundAsset, Target
from inference_worker.context import Models, Snapshot

_QUALITY = tuple(Quality)
_FLAGS = tuple(ReadingFlag(flag) for flag in range(4))


@dataclass(slots=True)
class Sorted:
    """The arrivals of a pack by asset; what belongs to no asset that is asked about is counted."""

    arrivals: dict[AssetName, tuple[BoundAsset, list[Arrival]]] = field(default_factory=dict)
    unbound: int = 0


def sort_readings(
    snapshot: Snapshot, columns: ReadingColumns, *, pack_id: PackId, trace: str
) -> Sorted:
    """Give each reading to its asset; a path is looked up once per pack."""
    told = Sorted()
    places = _arrivals_of(snapshot, columns, told)
    for tag, at, accepted_at, value, quality, _, flags in reading_rows(columns):
        place = places[tag]
        if place is None:
            told.unbound += 1
            continue
        arrivals, name = place
        sample = Sample(Micros(at), Micros(accepted_at), value, _QUALITY[quality])
        arrivals.append(Arrival(pack_id, name, sample, _FLAGS[flags], trace))
    told.arrivals = {name: found for name, found in told.arrivals.items() if found[1]}
    return told


def _arrivals_of(
    snapshot: Snapshot, columns: ReadingColumns, told: Sorted
) -> list[tuple[list[Arrival], str] | None]:
    """Where the readings of each tag of the pack are to go, and under which name."""
    found: list[tuple[list[Arrival], str] | None] = []
    for gateway, path in columns.tags:
        place = snapshot.place(columns.gateways[gateway], path)
        if place is None:
            found.append(None)
            continue
        name = place.bound.asset.name
        of_asset = told.arrivals.get(name)
        if of_asset is None:
            of_asset = told.arrivals[name] = (place.bound, [])
        found.append((of_asset[1], place.tag))
    return found


def sequence_rows(models: Models, columns: ReadingColumns, *, trace: str) -> list[FrameRow]:
    """Make the frames that the payload carried itself; the champion is asked about them."""
    return [_sequence_row(models, sequence, trace) for sequence in sequences_of(columns)]


def _sequence_row(models: Models, sequence: SequenceReading, trace: str) -> FrameRow:
    target = models.target(sequence.model, CHAMPION) or Target(sequence.model, "", "", "")
    return FrameRow(
        binding=sequence_binding(sequence.model),
        asset=sequence.sensor,
        site="",
        asset_type="",
        model=sequence.model,
        model_version=target.version,
        endpoint=target.endpoint,
        event_time=sequence.at,
        run=LIVE,
        # A second sequence of the same sensor and time is a correction: the later one wins.
        revision=sequence.accepted_at,
        features=list(sequence.data),
        features_missing=0,
        quality=int(Quality.GOOD),
        flags=prediction_flags(sequence.flags),
        received_at=sequence.accepted_at,
        trace=trace,
        threshold=None,
    )


def served(rows: Iterable[FrameRow], models: Models) -> list[FrameRow]:
    """Name the endpoint of rows that were made before their model had a champion."""
    return [_served(row, models) if not row.model_version else row for row in rows]


def _served(row: FrameRow, models: Models) -> FrameRow:
    target = models.target(row.model, CHAMPION)
    if target is None:
        return row
    return msgspec.structs.replace(row, model_version=target.version, endpoint=target.endpoint)
