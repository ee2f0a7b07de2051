"""Jobs: one training run each, its legal transitions, and the decision that ends its pull."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from penstock.domain.datasets import Slice, SliceState
from penstock.domain.errors import IllegalTransition
from penstock.domain.ids import DatasetId, JobId, SliceId
from penstock.domain.time import Micros


class JobStatus(StrEnum):
    """Where a job's run stands."""

    PENDING = "PENDING"
    PULLING = "PULLING"
    PREPARING = "PREPARING"
    TRAINING = "TRAINING"
    EVALUATING = "EVALUATING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    DEPLOYING = "DEPLOYING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        """Whether the run is over; only a retry, which is another run, goes on from here."""
        return not TRANSITIONS[self]

    @property
    def summary(self) -> str:
        """The view that needs three words: Running, Completed or Failed."""
        if self is JobStatus.COMPLETED:
            return "Completed"
        return "Failed" if self in {JobStatus.FAILED, JobStatus.STOPPED} else "Running"


class JobResult(StrEnum):
    """How a completed job ended."""

    DEPLOYED = "deployed"
    REGISTERED = "registered"
    REJECTED_BY_GATE = "rejected_by_gate"
    ROLLED_BACK = "rolled_back"


_S = JobStatus
TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    _S.PENDING: frozenset({_S.PULLING, _S.PREPARING, _S.FAILED, _S.STOPPED}),
    _S.PULLING: frozenset({_S.PREPARING, _S.FAILED, _S.STOPPED}),
    _S.PREPARING: frozenset({_S.TRAINING, _S.FAILED, _S.STOPPING}),
    # SageMaker may stop a training by itself, at its time limit or from its console.
    _S.TRAINING: frozenset({_S.EVALUATING, _S.FAILED, _S.STOPPING, _S.STOPPED}),
    _S.EVALUATING: frozenset(
        {_S.AWAITING_APPROVAL, _S.DEPLOYING, _S.COMPLETED, _S.FAILED, _S.STOPPING}
    ),
    _S.AWAITING_APPROVAL: frozenset({_S.DEPLOYING, _S.COMPLETED, _S.FAILED, _S.STOPPING}),
    # Once the endpoint is changing, a stop would leave it half changed: it is refused.
    _S.DEPLOYING: frozenset({_S.COMPLETED, _S.FAILED}),
    _S.STOPPING: frozenset({_S.STOPPED, _S.FAILED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.STOPPED: frozenset(),
}
"""Every legal move of one run; whoever writes a status requires the one it comes from."""

RETRYABLE = frozenset({_S.FAILED, _S.STOPPED})
"""Statuses from which POST /retry begins the next run."""


def check_transition(current: JobStatus, asked: JobStatus) -> None:
    """Raise IllegalTransition where a run cannot go from `current` to `asked`."""
    if asked not in TRANSITIONS[current]:
        raise IllegalTransition(f"a job that is {current} cannot become {asked}")


def may_become(asked: JobStatus) -> tuple[JobStatus, ...]:
    """Statuses that a run can come from."""
    return tuple(status for status in JobStatus if asked in TRANSITIONS[status])


def status_on_stop(current: JobStatus) -> JobStatus:
    """What a stop request makes of a status: nothing runs yet while slices are being pulled."""
    asked = _S.STOPPED if current in {_S.PENDING, _S.PULLING} else _S.STOPPING
    check_transition(current, asked)
    return asked


@dataclass(frozen=True, slots=True)
class Job:
    """One training job in its present run.

    `body` is the request as JSON with every default filled in. `released` counts the slices of the
    plan that were written, `planned` (their number) is set when the last of them is; `open` counts
    the slices that may still change, `concurrency` how many the source bears at once. Slices belong
    to `pull_run`, the run that began the pull: a retry goes on with it, so that only what failed is
    pulled again. `verdict` is the evaluation's as JSON.
    """

    job_id: JobId
    run: int
    status: JobStatus
    model: str
    body: str
    dataset_id: DatasetId
    created_at: Micros
    pull_run: int = 1
    generation: int = 1
    result: JobResult | None = None
    reason: str | None = None
    model_version: str | None = None
    planned: int | None = None
    released: int = 0
    open: int = 0
    failed: int = 0
    done: int = 0
    rows: int = 0
    bytes: int = 0
    concurrency: int = 4
    dataset_ready: bool = False
    stop_requested: bool = False
    verdict: str | None = None
    started_at: Micros | None = None
    ended_at: Micros | None = None
    progressed_at: Micros | None = None
    created_by: str = ""
    history: tuple[Mapping[str, object], ...] = ()

    @property
    def slices_key(self) -> str:
        """Partition of the table `slices` that holds this job's slices."""
        return f"{self.job_id}#{self.pull_run}"

    @property
    def raw_prefix(self) -> str:
        """Folder of the bucket `training` that holds the raw slices."""
        return f"raw/{self.job_id}/run={self.pull_run}/"

    @property
    def execution_name(self) -> str:
        """Name of the run's execution: taken means already started."""
        return f"{self.job_id}-{self.run}"

    def sagemaker_name(self, prefix: str) -> str:
        """Name of everything that this run makes in SageMaker; it rises with the generation."""
        return f"{prefix}-{self.job_id}-{self.run}-{self.generation}"


@dataclass(frozen=True, slots=True)
class StoredSlice:
    """A slice as the table keeps it."""

    slice: Slice
    state: SliceState
    rows: int = 0
    bytes: int = 0
    attempts: int = 0
    reason: str | None = None
    released: tuple[SliceId, ...] = ()


@dataclass(frozen=True, slots=True)
class SliceOutcome:
    """What became of a slice; `children` take the place of a SPLIT one."""

    state: SliceState
    rows: int = 0
    bytes: int = 0
    attempts: int = 1
    reason: str | None = None
    children: tuple[Slice, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would leave the job's count of open slices wrong."""
        if self.state is SliceState.OPEN:
            raise ValueError("an outcome settles a slice, it cannot be OPEN")
        if (self.state is SliceState.SPLIT) != bool(self.children):
            raise ValueError("a SPLIT slice has children, and no other has")


GIVE_UP_AFTER = 20
"""Failed slices of a pull after which no more are released: the source or its secret is wrong."""


class PullVerdict(StrEnum):
    """What a job's counters say about its pull."""

    GOES_ON = "goes on"
    COMPLETE = "complete"
    FAILED = "failed"


def judge_pull(job: Job) -> PullVerdict:
    """Decide whether the pull of a job is over: planned to the end, and no slice open any more.

    It only looks at counters that one transaction keeps true, so asking again is harmless.
    """
    if job.open > 0 or (job.planned is None and job.failed < GIVE_UP_AFTER):
        return PullVerdict.GOES_ON
    return PullVerdict.FAILED if job.failed else PullVerdict.COMPLETE


def slices_to_release(job: Job, *, slice_count: int, opened: int = 0) -> int:
    """How many slices of the plan to write now: at most twice the concurrency may be open.

    `opened` is what the settling of a slice changes in the open ones: -1, or more with children.
    """
    if job.failed >= GIVE_UP_AFTER:
        return 0
    room = 2 * job.concurrency - (job.open + opened)
    return max(0, min(room, slice_count - job.released))
