import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_api.packs import Packer, Submission, cut_rows
from penstock.adapters.memory import FakeClock
from penstock.channel import SNS_LIMIT
from penstock.channels.readings import CHANNEL
from penstock.domain.ids import GatewayId
from penstock.domain.readings import Sequence
from penstock.packing import PACK_LIMIT
from penstock.runtime.traceparent import new_traceparent, trace_id_of
from penstock.runtime.tracing import Span

from tests.factories import NOON
from tests.unit.ingest_api.factories import (
    make_block,
    make_reject,
    make_submission,
    readings_in,
    rejects_in,
    sequences_in,
)


@pytest.fixture
def packer() -> Packer:
    return Packer(FakeClock())


def test_requests_of_many_gateways_travel_in_one_pack(packer: Packer) -> None:
    submissions = [make_submission(rows=20, gateway_id=f"gw-{n}", seed=n) for n in range(5)]
    (pack,) = packer.pack(submissions)
    assert pack.owners == frozenset(range(5))
    assert len(readings_in([pack.body])) == 100


def test_a_large_request_is_cut_into_packs_that_fit(packer: Packer) -> None:
    packs = packer.pack([make_submission(rows=10_000)])
    assert len(packs) > 1
    assert all(len(pack.body) <= PACK_LIMIT for pack in packs)
    assert len(readings_in(pack.body for pack in packs)) == 10_000


def test_readings_that_compress_badly_still_fit_and_are_learnt_from(packer: Packer) -> None:
    def noisy(seed: int) -> Submission:
        rng = random.Random(seed)
        block = make_block(rows=5_000)
        block.at[:] = [NOON - rng.randint(0, 10**13) for _ in range(5_000)]
        block.value[:] = [rng.random() * 10 ** rng.randint(-30, 30) for _ in range(5_000)]
        return Submission(block)

    before = packer.rows_per_pack
    packs = packer.pack([noisy(1)])
    assert all(len(pack.body) <= PACK_LIMIT for pack in packs)
    assert packer.rows_per_pack < before
    again = packer.pack([noisy(2)])
    assert len(again) <= 1.3 * sum(len(pack.body) for pack in again) / PACK_LIMIT + 1


def test_full_packs_are_well_filled(packer: Packer) -> None:
    for seed in range(8):
        packs = packer.pack([make_submission(rows=100, seed=seed * 99 + n) for n in range(160)])
    assert all(len(pack.body) > 0.75 * PACK_LIMIT for pack in packs[:-1])


def test_packs_that_are_nearly_empty_teach_nothing_about_full_ones(packer: Packer) -> None:
    for seed in range(8):
        packer.pack([make_submission(rows=100, seed=seed * 99 + n) for n in range(160)])
    learnt = packer.rows_per_pack
    packer.pack([make_submission(rows=60)])
    assert packer.rows_per_pack == learnt


def test_a_small_request_is_never_cut(packer: Packer) -> None:
    limit = packer.rows_per_pack
    packs = packer.pack([make_submission(rows=limit - 50), make_submission(rows=100, seed=2)])
    assert [pack.owners for pack in packs] == [{0}, {1}]


@given(st.lists(st.integers(1, 60), max_size=8), st.integers(1, 25))
def test_cutting_loses_no_row_and_keeps_the_limit(sizes: list[int], limit: int) -> None:
    blocks = [(owner, make_block(rows=rows, seed=owner)) for owner, rows in enumerate(sizes)]
    packs = list(cut_rows(blocks, limit))
    assert all(sum(len(block.tags) for _, block in pack) <= limit for pack in packs)
    for owner, block in blocks:
        parts = [part for pack in packs for of, part in pack if of == owner]
        assert [at for part in parts for at in part.at] == block.at


def test_a_pack_continues_the_trace_of_its_first_request_that_has_one(packer: Packer) -> None:
    traces = ["", new_traceparent(), new_traceparent()]
    submissions = [Submission(make_block(rows=5), span=Span(trace)) for trace in traces]
    (shared,) = packer.pack(submissions)
    assert CHANNEL.decode(shared.body).trace == traces[1]
    (alone,) = packer.pack(submissions[:1])
    assert trace_id_of(CHANNEL.decode(alone.body).trace)


def test_sequences_and_rejects_travel_too(packer: Packer) -> None:
    sequence = Sequence(GatewayId("gw-7"), "pump-3", "m", NOON, (1.0, 2.5), NOON)
    reject = make_reject()
    packs = packer.pack([Submission(make_block(rows=3), [sequence], [reject])])
    bodies = [pack.body for pack in packs]
    assert len(readings_in(bodies)) == 3
    assert sequences_in(bodies) == [sequence]
    assert rejects_in(bodies) == [reject]
    assert all(pack.owners == {0} for pack in packs)


def test_the_longest_sequence_fits_one_message(packer: Packer) -> None:
    rng = random.Random(1)
    data = tuple(rng.uniform(-1, 1) * 10 ** rng.randint(-300, 300) for _ in range(10_000))
    sequence = Sequence(GatewayId("gw-7"), "s" * 255, "m", NOON, data, NOON)
    (pack,) = packer.pack([Submission(make_block(rows=0), [sequence])])
    assert len(pack.body) < SNS_LIMIT


@pytest.mark.parametrize(
    "body", [os.urandom(65_536), b"\x00\x01\x1f" * 21_845, "🙂".encode() * 16_384]
)
def test_the_largest_body_in_quarantine_fits_one_message(packer: Packer, body: bytes) -> None:
    reject = make_reject(item=body.decode(errors="replace"))
    (pack,) = packer.pack([Submission(make_block(rows=0), rejects=[reject])])
    assert len(pack.body) < SNS_LIMIT
    assert rejects_in([pack.body]) == [reject]


def test_thousands_of_rejects_fit_their_packs(packer: Packer) -> None:
    rng = random.Random(1)
    rejects = [
        make_reject(index=n, item=rng.randbytes(rng.randint(0, 1_000)).hex()) for n in range(2_000)
    ]
    packs = packer.pack([Submission(make_block(rows=0), rejects=rejects)])
    assert all(len(pack.body) <= PACK_LIMIT for pack in packs)
    assert rejects_in(pack.body for pack in packs) == rejects
