"""All that is done for a job is found under one trace id, which follows from the job's."""

from penstock.runtime.traceparent import is_sampled, read_traceparent, trace_id_of
from training_orchestrator.job_trace import job_trace, job_trace_in, slice_trace


def test_every_message_of_a_job_is_of_one_trace_and_other_jobs_are_of_another() -> None:
    trace = job_trace("job-1")
    assert read_traceparent(trace) == trace
    assert is_sampled(trace)
    assert job_trace_in('{"version": 1, "job_id": "job-1", "step": "CreateModel"}') == trace
    assert slice_trace("job-1", "0") == trace
    assert trace_id_of(job_trace("job-2")) != trace_id_of(trace)


def test_of_a_hundred_thousand_slices_the_first_are_recorded() -> None:
    recorded = [n for n in range(100_000) if is_sampled(slice_trace("job-1", f"{n}.1.2"))]
    assert recorded == list(range(200))
    assert trace_id_of(slice_trace("job-1", "99999")) == trace_id_of(job_trace("job-1"))


def test_a_message_of_no_job_has_no_trace() -> None:
    assert job_trace_in("{}") == ""
