import msgspec
import pytest
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore, MemoryQueue, MemoryTopic
from penstock.adapters.memory_training import MemoryExecutions
from penstock.channels.slices import CHANNEL, SliceMessage
from penstock.domain.datasets import SliceState
from penstock.domain.errors import StoreUnavailable
from penstock.domain.jobs import Job, JobStatus, SliceOutcome
from penstock.ports import Publisher, Write
from penstock.resources import JOBS
from training_orchestrator.distribute import Distributor
from training_orchestrator.jobs_items import job_item, job_key
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.slices_store import SlicesStore

from tests.unit.training_orchestrator.factories import JOB_ID, make_job

DONE = SliceOutcome(SliceState.DONE, rows=10)
FAILED = SliceOutcome(SliceState.FAILED, reason="401 from the source")


class Pulling:
    """A distributor with what it writes to."""

    def __init__(self, job: Job, queue: Publisher | None = None) -> None:
        self.store = MemoryKeyValueStore()
        self.queue = MemoryQueue("slices")
        self.executions = MemoryExecutions()
        self.jobs = JobsStore(self.store, FakeClock())
        slices = SlicesStore(self.store, FakeClock())
        self.distributor = Distributor(
            self.jobs, slices, queue or self.queue, self.executions, FakeClock()
        )
        self.job = job

    async def begin(self) -> None:
        put = Write(JOBS.name, job_key(JOB_ID), put=job_item(self.job))
        await self.store.write(put)
        await self.distributor.begin(self.job)

    async def take(self) -> SliceMessage | None:
        for delivery in await self.queue.receive(at_most=1, wait_seconds=0):
            await delivery.ack()
            return CHANNEL.decode(delivery.body)
        return None

    async def pull(self, outcome: SliceOutcome = DONE) -> int:
        count = 0
        while message := await self.take():
            await self.distributor.settle(message.job_id, message.slice_id, outcome)
            count += 1
        return count


async def test_the_last_slice_in_starts_the_execution_once() -> None:
    pulling = Pulling(make_job(concurrency=2))
    await pulling.begin()
    assert await pulling.pull() == 16
    assert pulling.executions.payloads == {
        f"{JOB_ID}-1": {
            "job_id": JOB_ID, "run": 1, "created_at": pulling.job.created_at, "prepare": True,
        }
    }  # fmt: skip
    await pulling.distributor.advance(await pulling.jobs.load(JOB_ID))
    assert len(pulling.executions.payloads) == 1


async def test_a_message_tells_what_to_fetch() -> None:
    pulling = Pulling(make_job())
    await pulling.begin()
    message = await pulling.take()
    assert message is not None
    assert message.source == "n3uron-site01"
    assert message.tags == [
        "/SITE01/P-101/TEMP",
        "/SITE01/P-101/VIBRATION",
        "/SITE01/P-101/FAILURE",
    ]
    assert (message.until - message.since) == 6 * 3600 * 1_000_000
    assert (message.run, message.slice_id, message.page_size) == (1, "000000", 1_000)


async def test_a_pull_with_failures_fails_the_job_and_says_what_to_do() -> None:
    pulling = Pulling(make_job(concurrency=2))
    await pulling.begin()
    first = await pulling.take()
    assert first is not None
    await pulling.distributor.settle(JOB_ID, first.slice_id, FAILED)
    await pulling.pull()
    job = await pulling.jobs.load(JOB_ID)
    assert job.status is JobStatus.FAILED
    assert job.reason is not None
    assert job.reason.startswith("1 of 16 slices could not be pulled (000000: 401 from the source)")
    assert f"/v1/jobs/{JOB_ID}/retry" in job.reason
    assert pulling.executions.payloads == {}


async def test_a_retry_pulls_only_what_failed() -> None:
    pulling = Pulling(make_job(concurrency=2))
    await pulling.begin()
    first = await pulling.take()
    assert first is not None
    await pulling.distributor.settle(JOB_ID, first.slice_id, FAILED)
    await pulling.pull()
    job = await pulling.jobs.next_run(await pulling.jobs.load(JOB_ID), dataset_ready=False)
    await pulling.distributor.begin(job)
    assert await pulling.pull() == 1
    assert list(pulling.executions.payloads) == [f"{JOB_ID}-2"]


async def test_a_retry_after_a_stop_goes_on_where_the_pull_was() -> None:
    pulling = Pulling(make_job(concurrency=2))
    await pulling.begin()
    for _ in range(3):
        message = await pulling.take()
        assert message is not None
        await pulling.distributor.settle(JOB_ID, message.slice_id, DONE)
    stopped = await pulling.jobs.move(await pulling.jobs.load(JOB_ID), JobStatus.STOPPED)
    late = await pulling.take()
    assert late is not None
    assert not await pulling.distributor.is_wanted(JOB_ID, late.slice_id)
    await pulling.distributor.begin(await pulling.jobs.next_run(stopped, dataset_ready=False))
    await pulling.pull()
    job = await pulling.jobs.load(JOB_ID)
    assert (job.done, job.open, job.planned) == (16, 0, 16)
    assert list(pulling.executions.payloads) == [f"{JOB_ID}-2"]


async def test_a_ready_dataset_is_not_pulled_again() -> None:
    pulling = Pulling(make_job(dataset_ready=True))
    await pulling.begin()
    assert pulling.queue.bodies == []
    assert pulling.executions.payloads[f"{JOB_ID}-1"]["prepare"] is False


async def test_a_death_between_settling_and_sending_is_made_good_by_the_repeat() -> None:
    """The broker is away after the transaction: the fetcher's message comes again and sends."""
    down: list[str] = []
    queue = MemoryQueue("slices")
    topic = MemoryTopic(queue, on_publish=lambda _: down[0] if down else None)
    pulling = Pulling(make_job(concurrency=1), topic)
    pulling.queue = queue
    await pulling.begin()
    first = await pulling.take()
    assert first is not None
    down.append("the broker is away")
    with pytest.raises(StoreUnavailable, match="broker is away"):
        await pulling.distributor.settle(JOB_ID, first.slice_id, DONE)
    down.clear()
    assert await pulling.distributor.is_wanted(JOB_ID, first.slice_id) is False
    await pulling.pull()
    assert list(pulling.executions.payloads) == [f"{JOB_ID}-1"]


async def test_a_second_message_of_a_slice_does_not_double_the_rest_of_the_pull() -> None:
    """Both would send what the slice released, and so would the messages that these lead to."""
    pulling = Pulling(make_job(concurrency=1))
    await pulling.begin()
    first = await pulling.take()
    assert first is not None
    await pulling.distributor.settle(JOB_ID, first.slice_id, DONE, is_redelivery=False)
    sent = list(pulling.queue.bodies)
    assert not await pulling.distributor.is_wanted(JOB_ID, first.slice_id, is_redelivery=False)
    await pulling.distributor.settle(JOB_ID, first.slice_id, DONE, is_redelivery=False)
    assert pulling.queue.bodies == sent


async def test_open_slices_are_sent_again() -> None:
    pulling = Pulling(make_job(concurrency=3))
    await pulling.begin()
    lost = [msgspec.json.decode(body)["slice_id"] for body in pulling.queue.bodies]
    while await pulling.take():
        pass
    assert await pulling.distributor.resend(await pulling.jobs.load(JOB_ID)) == 6
    assert [msgspec.json.decode(body)["slice_id"] for body in pulling.queue.bodies] == lost
