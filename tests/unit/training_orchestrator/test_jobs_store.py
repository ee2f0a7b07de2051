import pytest
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.errors import IllegalTransition, UnknownJob, VersionConflict
from penstock.domain.jobs import Job, JobStatus
from penstock.ports import Write
from penstock.resources import JOBS
from training_orchestrator.jobs_items import job_item, job_key, job_of
from training_orchestrator.jobs_store import JobsStore

from tests.unit.training_orchestrator.factories import JOB_ID, make_job


async def stored(store: MemoryKeyValueStore, job: Job) -> Job:
    await store.write(Write(JOBS.name, job_key(job.job_id), put=job_item(job)))
    return job


def test_a_job_survives_its_table() -> None:
    job = make_job(
        status=JobStatus.PULLING, planned=9, open=3, reason="so far", stop_requested=True
    )
    assert job_of(job_item(job)) == job


async def test_an_unknown_job_is_told() -> None:
    with pytest.raises(UnknownJob, match="job-9"):
        await JobsStore(MemoryKeyValueStore(), FakeClock()).load("job-9")


async def test_a_late_failure_never_replaces_a_success() -> None:
    store = MemoryKeyValueStore()
    jobs = JobsStore(store, FakeClock())
    job = await stored(store, make_job(status=JobStatus.DEPLOYING))
    done = await jobs.move(job, JobStatus.COMPLETED, result="deployed")
    with pytest.raises(IllegalTransition):
        await jobs.move(done, JobStatus.FAILED)
    assert (await jobs.load(JOB_ID)).status is JobStatus.COMPLETED


async def test_every_move_leaves_an_event() -> None:
    store = MemoryKeyValueStore()
    jobs = JobsStore(store, FakeClock())
    job = await stored(store, make_job(status=JobStatus.TRAINING))
    await jobs.move(job, JobStatus.FAILED, reason="AlgorithmError: no rows")
    (told,) = await jobs.events(job)
    assert told["event"] == "status"
    assert told["status"] == "FAILED"
    assert told["reason"] == "AlgorithmError: no rows"


async def test_a_write_on_an_older_run_or_status_is_refused() -> None:
    jobs = JobsStore(store := MemoryKeyValueStore(), FakeClock())
    old = await stored(store, make_job(status=JobStatus.TRAINING))
    await jobs.move(old, JobStatus.FAILED)
    with pytest.raises(VersionConflict):
        await jobs.note(old, generation=2)


async def test_a_retry_is_another_run_and_forgets_how_the_last_one_ended() -> None:
    jobs = JobsStore(store := MemoryKeyValueStore(), FakeClock())
    failed = await stored(
        store,
        make_job(
            status=JobStatus.FAILED, reason="no rows", generation=3, model_version="v4", done=7
        ),
    )
    job = await jobs.next_run(failed, dataset_ready=True)
    assert (job.run, job.pull_run, job.generation, job.status) == (2, 1, 1, JobStatus.PENDING)
    assert (job.reason, job.model_version, job.ended_at) == (None, None, None)
    assert job.dataset_ready
    assert job.done == 7
    with pytest.raises(IllegalTransition, match="only FAILED or STOPPED"):
        await jobs.next_run(job, dataset_ready=False)
