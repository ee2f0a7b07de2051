"""Frame state of one asset, and how it is kept: columns, compressed, small."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from operator import sub

import msgspec
import zstandard
from penstock.domain.errors import UnsupportedVersion
from penstock.domain.ids import PackId
from penstock.domain.readings import Quality, Value
from penstock.domain.samples import NEVER, Sample, TagSamples
from penstock.domain.time import Micros

STATE_LIMIT = 64 * 1024
"""Bytes that the state of one asset may take; more is let go, and told by corrections."""

PACKS_AT_MOST = 1_000
"""Packs on their way to the archive that a state names. Past it the oldest are let go: a correction
made while the archive is further behind may miss them.
"""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class AssetState:
    """What is known of one asset's tags; version 0 means that nothing was written yet.

    `newest` is the newest sample's time of all tags; lateness is measured against it.
    `packs` are those merged that were not seen in the archive yet: a correction waits for them.
    """

    samples: Mapping[str, TagSamples] = field(default_factory=dict)
    newest: Micros = NEVER
    packs: tuple[PackId, ...] = ()
    version: int = 0


class _Columns(msgspec.Struct, frozen=True, array_like=True):
    """Times are distances from the newest: tags of one scan repeat them, and shrink to nothing."""

    format: int
    newest: int
    packs: list[str]
    tags: list[str]
    counts: list[int]
    let_go: list[int | None]
    age: list[int]
    lag: list[int]
    quality: list[int]
    value: list[Value]


_NO_COLUMNS: tuple[tuple[()], ...] = ((),) * 4
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Columns)
_compressor = zstandard.ZstdCompressor(level=3)
_decompressor = zstandard.ZstdDecompressor()


def encode_state(state: AssetState) -> bytes:
    """Write a state; its version travels beside it, since the store's condition reads it."""
    known, newest = list(state.samples.values()), state.newest
    samples = [sample for one in known for sample in one.samples]
    at, accepted_at, value, quality = zip(*samples, strict=True) if samples else _NO_COLUMNS
    columns = _Columns(
        format=_FORMAT,
        newest=newest,
        packs=list(state.packs),
        tags=list(state.samples),
        counts=[len(one.samples) for one in known],
        let_go=[
            None if one.trimmed_until == NEVER else newest - one.trimmed_until for one in known
        ],
        age=[newest - one for one in at],
        lag=list(map(sub, accepted_at, at)),
        quality=list(map(int, quality)) if any(quality) else [],
        value=list(value),
    )
    return _compressor.compress(_encoder.encode(columns))


def decode_state(body: bytes, version: int) -> AssetState:
    """Read a state back."""
    columns = _decoder.decode(_decompressor.decompress(body))
    if columns.format != _FORMAT:
        raise UnsupportedVersion(f"state of format {columns.format}: deploy this worker first")
    newest = columns.newest
    quality = map(Quality, columns.quality or [0] * len(columns.age))
    samples = [
        Sample(Micros(newest - age), Micros(newest - age + lag), value, worth)
        for age, lag, value, worth in zip(
            columns.age, columns.lag, columns.value, quality, strict=True
        )
    ]
    ends = pairwise(accumulate(columns.counts, initial=0))
    tags = zip(columns.tags, ends, columns.let_go, strict=True)
    return AssetState(
        samples={
            tag: TagSamples(tuple(samples[start:end]), _let_go(newest, distance))
            for tag, (start, end), distance in tags
        },
        newest=Micros(newest),
        packs=tuple(PackId(pack) for pack in columns.packs),
        version=version,
    )


def _let_go(newest: int, distance: int | None) -> Micros:
    return NEVER if distance is None else Micros(newest - distance)


def encode_within(state: AssetState, limit: int = STATE_LIMIT) -> tuple[AssetState, bytes]:
    """Write a state, letting go of the older half of its longest tag until it fits.

    Frames that needed those samples are then told to be not held, and computed from the archive.
    """
    body = encode_state(state)
    while len(body) > limit and (longest := _longest_tag(state)):
        known = state.samples[longest]
        shorter = known.trimmed(keep=len(known.samples) // 2, since=Micros(state.newest + 1))
        state = replace(state, samples={**state.samples, longest: shorter})
        body = encode_state(state)
    return state, body


def _longest_tag(state: AssetState) -> str:
    return max(
        (tag for tag, known in state.samples.items() if known.samples),
        key=lambda tag: len(state.samples[tag].samples),
        default="",
    )
