"""Plausible submissions and what packs hold of them."""

import random
from collections.abc import Iterable

from ingest_api.packs import Submission
from penstock.channels.readings import (
    CHANNEL,
    REJECTS,
    ReadingBlock,
    reading_columns,
    readings_of,
    rejects_of,
    sequences_of,
)
from penstock.domain.ids import GatewayId
from penstock.domain.readings import Reading, Reject, Sequence
from penstock.domain.time import Micros

from tests.factories import NOON


def make_block(
    *, rows: int, gateway_id: str = "gw-7", seed: int = 1, accepted_at: int = NOON
) -> ReadingBlock:
    rng = random.Random(seed)
    return ReadingBlock(
        GatewayId(gateway_id),
        Micros(accepted_at),
        [f"/SITE01/LINE{row % 8:02}/MACHINE{row % 20:02}/TEMP" for row in range(rows)],
        [NOON - 60_000_000 + row * 1_000 for row in range(rows)],
        [round(rng.gauss(70, 5), 3) for _ in range(rows)],
        raw_quality=[192] * rows,
    )


def make_submission(*, rows: int = 10, seed: int = 1, gateway_id: str = "gw-7") -> Submission:
    return Submission(make_block(rows=rows, seed=seed, gateway_id=gateway_id))


def make_reject(*, index: int = 0, item: str = '{"v":"NaN"}', gateway_id: str = "gw-7") -> Reject:
    return Reject(GatewayId(gateway_id), "request-1", index, "not_finite", item, Micros(NOON))


def readings_in(bodies: Iterable[str]) -> list[Reading]:
    messages = map(CHANNEL.decode, bodies)
    return [r for m in messages if m.kind != REJECTS for r in readings_of(reading_columns(m))]


def sequences_in(bodies: Iterable[str]) -> list[Sequence]:
    messages = map(CHANNEL.decode, bodies)
    return [s for m in messages if m.kind != REJECTS for s in sequences_of(reading_columns(m))]


def rejects_in(bodies: Iterable[str]) -> list[Reject]:
    messages = map(CHANNEL.decode, bodies)
    return [reject for m in messages if m.kind == REJECTS for reject in rejects_of(m)]
