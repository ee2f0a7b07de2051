"""The trace of a training job follows from its id, so nobody has to carry it through the state
machine: whatever is done for the job is found under one trace id. All pure.
"""

import hashlib
import re

_JOB_ID = re.compile(r'"job_id"\s*:\s*"([^"]{1,200})"')
_SLICES_RECORDED = 200
"""A job may have 100,000: the first ones show how the source fares."""


def job_trace(job_id: str, *, is_recorded: bool = True) -> str:
    """The traceparent under which all is done that a job needs."""
    digest = hashlib.sha256(job_id.encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-{int(is_recorded):02x}"


def slice_trace(job_id: str, slice_id: str) -> str:
    """The traceparent of a slice; `slice_id` is its number, a split child's is parent.n."""
    number = slice_id.partition(".")[0]
    return job_trace(job_id, is_recorded=number.isdigit() and int(number) < _SLICES_RECORDED)


def job_trace_in(body: str) -> str:
    """The traceparent of the job that a message of the state machine is about; may be empty."""
    match = _JOB_ID.search(body)
    return job_trace(match[1]) if match else ""
