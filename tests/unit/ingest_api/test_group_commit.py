import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from ingest_api.group_commit import CommitSettings, GroupCommit
from ingest_api.metrics import TalliedMetrics
from ingest_api.packs import Packer
from penstock.adapters.memory import FakeClock, MemoryQueue, MemoryTopic
from penstock.domain.errors import StoreUnavailable, Unavailable
from penstock.ports import Publisher, PublishOutcome

from benchmarks.queueing.loop import run
from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.unit.ingest_api.factories import make_submission, readings_in


class GatedTopic:
    """Publishes only while the gate is open; tells how many calls knocked."""

    def __init__(self, topic: MemoryTopic) -> None:
        self.gate = asyncio.Event()
        self.knocks = asyncio.Queue[int]()
        self.calls: list[int] = []
        self._topic = topic

    async def publish(self, bodies: Sequence[str]) -> Sequence[PublishOutcome]:
        self.calls.append(len(bodies))
        self.knocks.put_nowait(len(self.calls))
        await self.gate.wait()
        return await self._topic.publish(bodies)


@contextlib.asynccontextmanager
async def running(
    publisher: Publisher, settings: CommitSettings | None = None
) -> AsyncIterator[GroupCommit]:
    commit = GroupCommit(publisher, Packer(FakeClock()), TalliedMetrics("test"), settings)
    task = asyncio.create_task(commit.run())
    try:
        yield commit
    finally:
        commit.close()
        await asyncio.wait_for(task, PATIENCE_SECONDS)


def soon(seconds: float = PATIENCE_SECONDS) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_an_answer_comes_only_after_the_pack_is_durable() -> None:
    topic = MemoryTopic(queue := MemoryQueue())
    gated = GatedTopic(topic)
    async with running(gated) as commit:
        request = asyncio.create_task(commit.commit(make_submission(), deadline=soon()))
        await gated.knocks.get()
        assert not request.done()
        gated.gate.set()
        (pack_id,) = await request
    assert pack_id in queue.bodies[0]


async def test_what_arrives_during_a_call_shares_the_next_one() -> None:
    gated = GatedTopic(MemoryTopic(queue := MemoryQueue()))
    async with running(gated, CommitSettings(flushes_in_flight=1)) as commit:
        first = asyncio.create_task(commit.commit(make_submission(), deadline=soon()))
        await gated.knocks.get()
        later = [
            asyncio.create_task(commit.commit(make_submission(seed=n), deadline=soon()))
            for n in range(2, 34)
        ]
        await asyncio.sleep(0)
        gated.gate.set()
        await asyncio.gather(first, *later)
    assert gated.calls == [1, 1]
    assert len(readings_in(queue.bodies)) == 33 * 10


async def test_a_failed_pack_fails_only_its_requests() -> None:
    """One of the two packs of a call is refused: the request in the other is answered well."""

    def refuse_second(body: str) -> str | None:
        bodies.append(body)
        return "InternalError" if len(bodies) == 2 else None

    bodies: list[str] = []
    topic = MemoryTopic(on_publish=refuse_second)
    async with running(topic) as commit:
        results = await asyncio.gather(
            commit.commit(make_submission(rows=2_700, seed=1), deadline=soon()),
            commit.commit(make_submission(rows=2_700, seed=2), deadline=soon()),
            return_exceptions=True,
        )
    assert len(bodies) == 2
    assert isinstance(results[0], list)
    assert isinstance(results[1], StoreUnavailable)


async def test_a_request_in_two_packs_needs_both() -> None:
    topic = MemoryTopic(
        on_publish=lambda body: "no" if body == seen.setdefault("b", body) else None
    )
    seen: dict[str, str] = {}
    async with running(topic) as commit:
        with pytest.raises(StoreUnavailable, match="not published"):
            await commit.commit(make_submission(rows=9_000), deadline=soon())
    assert topic.published


async def test_a_topic_that_is_down_fails_the_call_and_the_next_one_works() -> None:
    def refuse_first(_body: str) -> str | None:
        calls.append(1)
        if len(calls) == 1:
            raise Unavailable("connection refused")
        return None

    calls: list[int] = []
    async with running(MemoryTopic(on_publish=refuse_first)) as commit:
        with pytest.raises(StoreUnavailable, match="connection refused"):
            await commit.commit(make_submission(), deadline=soon())
        assert await commit.commit(make_submission(), deadline=soon())


async def test_a_bug_while_packing_fails_its_group_and_the_loop_lives_on() -> None:
    async with running(MemoryTopic()) as commit:
        broken = make_submission()
        broken.block.value[0] = "\ud800"
        with pytest.raises(StoreUnavailable):
            await commit.commit(broken, deadline=soon())
        assert await commit.commit(make_submission(), deadline=soon())


async def test_a_topic_that_hangs_is_given_up_in_time() -> None:
    gated = GatedTopic(MemoryTopic())
    async with running(gated, CommitSettings(publish_timeout_seconds=0.02)) as commit:
        with pytest.raises(StoreUnavailable, match="in time"):
            await commit.commit(make_submission(), deadline=soon())


async def test_the_deadline_of_a_request_holds_while_it_waits_its_turn() -> None:
    gated = GatedTopic(MemoryTopic(queue := MemoryQueue()))
    async with running(gated, CommitSettings(flushes_in_flight=1)) as commit:
        first = asyncio.create_task(commit.commit(make_submission(), deadline=soon()))
        await gated.knocks.get()
        with pytest.raises(StoreUnavailable, match="deadline"):
            await commit.commit(make_submission(seed=2), deadline=soon(0.01))
        gated.gate.set()
        await first
    # Nobody waits for it any more, so it is not sent either.
    assert len(readings_in(queue.bodies)) == 10


async def test_over_the_bound_a_request_is_refused_at_once() -> None:
    gated = GatedTopic(MemoryTopic())
    settings = CommitSettings(flushes_in_flight=1, max_queued=25)
    async with running(gated, settings) as commit:
        first = asyncio.create_task(commit.commit(make_submission(), deadline=soon()))
        await gated.knocks.get()
        held = asyncio.create_task(commit.commit(make_submission(rows=20), deadline=soon()))
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="too many") as refused:
            await commit.commit(make_submission(rows=20), deadline=soon())
        assert refused.value.retry_after_seconds
        gated.gate.set()
        await asyncio.gather(first, held)
        assert commit.queued == 0


async def test_closing_flushes_what_was_taken_and_takes_nothing_more() -> None:
    gated = GatedTopic(MemoryTopic(queue := MemoryQueue()))
    async with running(gated, CommitSettings(linger_seconds=2)) as commit:
        requests = [
            asyncio.create_task(commit.commit(make_submission(seed=n), deadline=soon()))
            for n in range(3)
        ]
        await asyncio.sleep(0)
        commit.close()
        with pytest.raises(StoreUnavailable, match="stopping"):
            await commit.commit(make_submission(), deadline=soon())
        gated.gate.set()
        await asyncio.gather(*requests)
    assert len(readings_in(queue.bodies)) == 30


async def test_a_full_group_does_not_linger() -> None:
    submission = make_submission(rows=12_000)
    async with running(MemoryTopic(), CommitSettings(linger_seconds=2)) as commit:
        await asyncio.wait_for(commit.commit(submission, deadline=soon()), 1.9)


async def test_no_request_of_a_full_call_is_left_over_for_a_pack_of_its_own() -> None:
    """Two of these fit a pack: of nine, eight fill a call, and the ninth waits for company."""
    gated = GatedTopic(MemoryTopic(queue := MemoryQueue()))
    async with running(gated, CommitSettings(flushes_in_flight=1)) as commit:
        first = asyncio.create_task(commit.commit(make_submission(), deadline=soon()))
        await gated.knocks.get()
        later = [
            asyncio.create_task(commit.commit(make_submission(rows=1_000, seed=n), deadline=soon()))
            for n in range(9)
        ]
        await asyncio.sleep(0)
        gated.gate.set()
        await asyncio.gather(first, *later)
    assert gated.calls == [1, 4, 1]
    assert len(readings_in(queue.bodies)) == 10 + 9 * 1_000


def test_a_rest_that_would_not_fill_a_pack_lingers_on() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        topic = MemoryTopic(queue := MemoryQueue())
        async with running(topic, CommitSettings(linger_seconds=2)) as commit:
            deadline = soon(60)
            nearly_full = asyncio.create_task(
                commit.commit(make_submission(rows=2_700), deadline=deadline)
            )
            rest: asyncio.Future[list[str]] = loop.create_future()

            def come() -> None:
                late = asyncio.create_task(
                    commit.commit(make_submission(rows=100), deadline=deadline)
                )
                late.add_done_callback(lambda done: rest.set_result(done.result()))

            # Too much for the room that the pack has left, too little for another.
            loop.call_later(1, come)
            await nearly_full
            assert not rest.done()
            assert len(queue.bodies) == 1
            await rest
            assert loop.time() >= 3
        assert len(queue.bodies) == 2

    run(story())


async def test_a_request_that_was_cancelled_is_not_sent() -> None:
    gated = GatedTopic(MemoryTopic(queue := MemoryQueue()))
    async with running(gated, CommitSettings(flushes_in_flight=1)) as commit:
        first = asyncio.create_task(commit.commit(make_submission(), deadline=soon()))
        await gated.knocks.get()
        gone = asyncio.create_task(commit.commit(make_submission(seed=2), deadline=soon()))
        await asyncio.sleep(0)
        gone.cancel()
        gated.gate.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await gone
    assert len(readings_in(queue.bodies)) == 10
