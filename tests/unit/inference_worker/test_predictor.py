"""Asking endpoints: together, within bounds, and with the trouble of one kept to itself."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from inference_worker.asking import Answered, Deferred, Outcome, Refused, RetryLimits, Skipped
from inference_worker.bulkhead import Patience
from inference_worker.context import models_of
from inference_worker.gate import GateLimits
from inference_worker.predictor import Predictor
from penstock.adapters.memory import FakeClock
from penstock.channels.deferred import FrameRow
from penstock.domain.errors import EndpointUnavailable, InvalidInput, Throttled
from penstock.domain.time import Micros
from penstock.model_types.randomcutforest import MODEL_TYPE as FOREST
from penstock.model_types.xgboost import MODEL_TYPE as XGBOOST

from tests.unit.inference_worker.worlds import StubbornHost, score, until, version

MODELS = models_of(
    [version("well"), version("ill"), version("forest", algorithm="randomcutforest")], {}
)
FAST = RetryLimits(tries=3, budget_seconds=1.0, first_delay_seconds=0.001)


def frame(number: float, model: str = "well", *, width: int = 2) -> FrameRow:
    features: list[float | None] = [float(number)] * width
    return FrameRow(
        binding=f"b-{model}", asset=f"P-{number}", site="s", asset_type="pump", model=model,
        model_version="v1", endpoint=model, event_time=Micros(1), run="live", revision=1,
        features=features, features_missing=sum(math.isnan(f or 0) for f in features), quality=0,
        flags=0, received_at=Micros(1), trace="", threshold=None,
    )  # fmt: skip


def frames(count: int, model: str = "well") -> list[FrameRow]:
    return [frame(number, model) for number in range(count)]


async def well(body: bytes) -> bytes:
    return score(body)


@contextlib.asynccontextmanager
async def predictor(
    host: StubbornHost, *, gate: GateLimits | None = None, patience: Patience | None = None,
    retries: RetryLimits = FAST,
) -> AsyncIterator[Predictor]:  # fmt: skip
    made = Predictor(
        host, {"xgboost": XGBOOST, "randomcutforest": FOREST}, FakeClock(),
        gate=gate, patience=patience, retries=retries,
    )  # fmt: skip
    try:
        yield made
    finally:
        await made.close()


def values(outcomes: Sequence[Outcome]) -> list[float | None]:
    return [told.answer.value for told in outcomes if isinstance(told, Answered)]


async def test_answers_are_matched_to_their_rows() -> None:
    async with predictor(StubbornHost(well=well)) as asked:
        outcomes = await asked.predict(frames(50), MODELS)
    assert values(outcomes) == [number / 100 for number in range(50)]


async def test_rows_of_many_messages_that_wait_together_go_out_together() -> None:
    host = StubbornHost(well=well)
    async with predictor(host) as asked:
        told = await asyncio.gather(*(asked.predict(frames(3), MODELS) for _ in range(40)))
    assert all(values(outcomes) == [0.0, 0.01, 0.02] for outcomes in told)
    assert sum(rows for _, rows, _ in host.calls) == 120
    assert len(host.calls) == 1


async def test_a_lone_row_waits_for_nobody() -> None:
    host = StubbornHost(well=well)
    async with predictor(host) as asked:
        seconds = []
        for _ in range(3):  # the best of three: a busy machine may hold us up as well
            started = time.monotonic()
            await asked.predict(frames(1), MODELS)
            seconds.append(time.monotonic() - started)
    assert min(seconds) < 0.5
    assert host.calls == [("well", 1, None)] * 3


async def test_calls_in_flight_and_rows_per_call_stay_within_their_limits() -> None:
    in_flight = most = 0

    async def counting(body: bytes) -> bytes:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.002)
        in_flight -= 1
        return score(body)

    host = StubbornHost(well=counting)
    async with predictor(host, gate=GateLimits(calls=3, rows=10)) as asked:
        outcomes = await asked.predict(frames(200), MODELS)
    assert len(values(outcomes)) == 200
    assert most <= 3
    assert max(rows for _, rows, _ in host.calls) == 10


async def test_the_payload_limit_splits_wide_rows() -> None:
    host = StubbornHost(well=well)
    wide = [frame(number, width=20_000) for number in range(30)]
    async with predictor(host) as asked:
        outcomes = await asked.predict(wide, MODELS)
    assert len(values(outcomes)) == 30
    assert max(rows for _, rows, _ in host.calls) == 12


async def test_rows_of_another_width_go_in_a_call_of_their_own() -> None:
    host = StubbornHost(well=well)
    async with predictor(host) as asked:
        outcomes = await asked.predict([frame(1), frame(2, width=3), frame(3)], MODELS)
    assert values(outcomes) == [0.01, 0.02, 0.03]
    assert [rows for _, rows, _ in host.calls] == [1, 1, 1]


async def test_what_recovers_within_the_budget_is_answered() -> None:
    failures = [Throttled("slow down"), EndpointUnavailable("not ready")]

    async def recovering(body: bytes) -> bytes:
        if failures:
            raise failures.pop()
        return score(body)

    async with predictor(StubbornHost(well=recovering)) as asked:
        outcomes = await asked.predict(frames(4), MODELS)
    assert len(values(outcomes)) == 4


async def test_what_does_not_recover_is_deferred_with_the_reason() -> None:
    async def failing(_: bytes) -> bytes:
        raise EndpointUnavailable("503")

    host = StubbornHost(ill=failing)
    async with predictor(host) as asked:
        outcomes = await asked.predict(frames(4, "ill"), MODELS)
    assert outcomes == [Deferred("EndpointUnavailable: 503")] * 4
    assert len(host.calls) == 3


async def test_an_open_breaker_defers_at_once_without_a_call() -> None:
    async def failing(_: bytes) -> bytes:
        raise EndpointUnavailable("503")

    host = StubbornHost(ill=failing, well=well)
    async with predictor(host) as asked:
        for _ in range(3):
            await asked.predict(frames(1, "ill"), MODELS)
        calls = len(host.calls)
        outcomes = await asked.predict([*frames(2, "ill"), frame(5)], MODELS)
    assert [type(told) for told in outcomes] == [Deferred, Deferred, Answered]
    assert len(host.calls) == calls + 1


@pytest.mark.parametrize("bad", [{0}, {63}, {17}, {3, 40}, set()])
async def test_bad_rows_are_found_by_bisecting_and_the_others_answered(bad: set[int]) -> None:
    async def picky(body: bytes) -> bytes:
        if any(int(float(line.split(",")[0])) in bad for line in body.decode().split("\n")):
            raise InvalidInput("400: no such category")
        return score(body)

    host = StubbornHost(well=picky)
    async with predictor(host) as asked:
        outcomes = await asked.predict(frames(64), MODELS)
    assert {n for n, told in enumerate(outcomes) if isinstance(told, Refused)} == bad
    assert len(values(outcomes)) == 64 - len(bad)
    assert len(host.calls) <= 4 * math.log2(64)


async def test_an_endpoint_that_refuses_most_rows_counts_as_broken_and_nothing_is_given_up() -> (
    None
):
    async def refuses(_: bytes) -> bytes:
        raise InvalidInput("400: expected 3 features")

    host = StubbornHost(ill=refuses)
    async with predictor(host) as asked:
        outcomes = await asked.predict(frames(64, "ill"), MODELS)
        again = await asked.predict(frames(1, "ill"), MODELS)
    assert {type(told) for told in outcomes} == {Deferred}
    assert all(isinstance(told, Deferred) and told.is_refusal for told in outcomes)
    assert {type(told) for told in again} == {Deferred}
    assert len(host.calls) <= 4 * math.log2(64)


async def test_lone_rows_that_are_all_refused_stop_being_given_up() -> None:
    async def refuses(_: bytes) -> bytes:
        raise InvalidInput("400: expected 3 features")

    outcomes: list[Outcome] = []
    async with predictor(StubbornHost(ill=refuses)) as asked:
        for number in range(20):
            outcomes += await asked.predict([frame(number, "ill")], MODELS)
    kinds = [type(told) for told in outcomes]
    assert kinds[:10] == [Refused] * 10
    assert set(kinds[10:]) == {Deferred}


@pytest.mark.parametrize(
    "garbage", [b"", b"<html>", b'{"predictions": []}', b'{"predictions": [{"score": 7}]}']
)
async def test_garbage_is_a_failure_of_the_endpoint_and_of_no_row(garbage: bytes) -> None:
    async def garbling(_: bytes) -> bytes:
        return garbage

    async with predictor(StubbornHost(ill=garbling)) as asked:
        outcomes = await asked.predict(frames(1, "ill"), MODELS)
    (told,) = outcomes
    assert isinstance(told, Deferred)
    assert "garbage" in told.reason


async def test_a_missing_endpoint_refuses_every_row_by_name() -> None:
    async with predictor(StubbornHost()) as asked:
        outcomes = await asked.predict(frames(5, "ill"), MODELS)
    assert all(isinstance(told, Refused) and "ill" in told.reason for told in outcomes)
    assert len(outcomes) == 5


async def test_a_frame_that_a_type_cannot_write_is_skipped_beside_the_others() -> None:
    async def forest(body: bytes) -> bytes:
        count = body.count(b"\n") + 1
        return b'{"scores": [' + b",".join([b'{"score": 1.5}'] * count) + b"]}"

    rows = [frame(1, "forest"), frame(math.nan, "forest"), frame(2, "forest")]
    async with predictor(StubbornHost(forest=forest)) as asked:
        outcomes = await asked.predict(rows, MODELS)
    assert [type(told) for told in outcomes] == [Answered, Skipped, Answered]


async def test_a_version_that_nobody_registered_is_deferred() -> None:
    async with predictor(StubbornHost(well=well)) as asked:
        outcomes = await asked.predict([frame(1, "unheard-of"), frame(2)], MODELS)
    assert [type(told) for told in outcomes] == [Deferred, Answered]


async def test_a_hanging_endpoint_holds_its_own_callers_for_their_patience_alone() -> None:
    hanging = asyncio.Event()

    async def hangs(_: bytes) -> bytes:
        await hanging.wait()
        return b""

    patience = Patience(live_seconds=3)
    async with predictor(StubbornHost(ill=hangs, well=well), patience=patience) as asked:
        first = asyncio.create_task(asked.predict(frames(3, "ill"), MODELS))
        assert len(values(await asked.predict(frames(3), MODELS))) == 3
        assert not first.done()
        assert {type(told) for told in await first} == {Deferred}
        async with asyncio.timeout(2.5):
            assert {type(t) for t in await asked.predict(frames(3, "ill"), MODELS)} == {Deferred}


async def test_bulk_rows_use_only_what_live_ones_leave() -> None:
    release = asyncio.Event()
    order: list[float] = []

    async def slow(body: bytes) -> bytes:
        order.append(float(body.decode().split(",")[0]))
        await release.wait()
        return score(body)

    async with predictor(StubbornHost(well=slow), gate=GateLimits(calls=4, rows=1)) as asked:
        bulk = asyncio.create_task(asked.predict(frames(3), MODELS, lane="bulk"))
        await until(lambda: order == [0.0])
        live = asyncio.create_task(asked.predict([frame(9)], MODELS))
        release.set()
        assert len(values(await live)) == 1
        assert len(values(await bulk)) == 3
    assert order.index(9.0) == 1


async def test_a_full_bulkhead_makes_callers_wait_and_answers_them_all() -> None:
    async def slowly(body: bytes) -> bytes:
        await asyncio.sleep(0.001)
        return score(body)

    patience = Patience(waiting_rows=20)
    gate = GateLimits(calls=1, rows=5)
    async with predictor(StubbornHost(well=slowly), patience=patience, gate=gate) as asked:
        told = await asyncio.gather(*(asked.predict(frames(10), MODELS) for _ in range(10)))
    assert all(len(values(outcomes)) == 10 for outcomes in told)


async def test_a_caller_that_gives_up_leaves_the_others_alone() -> None:
    release = asyncio.Event()

    async def slow(body: bytes) -> bytes:
        await release.wait()
        return score(body)

    async with predictor(StubbornHost(well=slow), gate=GateLimits(calls=4, rows=4)) as asked:
        impatient = asyncio.create_task(asked.predict(frames(6), MODELS))
        patient = asyncio.create_task(asked.predict(frames(6), MODELS))
        await asyncio.sleep(0)
        impatient.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await impatient
        release.set()
        assert len(values(await patient)) == 6
