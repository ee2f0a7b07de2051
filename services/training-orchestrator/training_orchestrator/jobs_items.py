"""Jobs, slices and events as items of their tables, and back.

Times are ISO text in UTC: the state machine writes some of them, and an index sorts by them.
"""

from collections.abc import Mapping
from dataclasses import asdict

from penstock.domain.datasets import Slice, SliceState
from penstock.domain.ids import DatasetId, JobId, SliceId, TagPath
from penstock.domain.jobs import Job, JobResult, JobStatus, StoredSlice
from penstock.domain.time import Micros, parse_iso, to_iso
from penstock.ports import Item, Write
from penstock.resources import JOBS, SLICES, STEPS

LISTING = "job"
"""Partition of the index `by-creation`: it holds every job."""

_TIMES = ("created_at", "started_at", "ended_at", "progressed_at")


def job_key(job_id: str) -> dict[str, object]:
    """Key of a job's item."""
    return {"job_id": job_id}


def job_item(job: Job) -> dict[str, object]:
    """Write a job."""
    item = asdict(job)
    for name in _TIMES:
        item[name] = to_iso(item[name]) if item[name] is not None else None
    item["history"] = list(job.history)
    return {**{k: v for k, v in item.items() if v is not None}, "listing": LISTING}


def job_of(item: Item) -> Job:
    """Read a job."""
    known = {name: item[name] for name in Job.__dataclass_fields__ if name in item}
    for name in _TIMES:
        if name in known:
            known[name] = parse_iso(str(known[name]))
    known |= {
        "job_id": JobId(str(item["job_id"])),
        "dataset_id": DatasetId(str(item["dataset_id"])),
        "status": JobStatus(str(item["status"])),
        "result": JobResult(str(item["result"])) if "result" in item else None,
        "history": _entries(item.get("history")),
    }
    return Job(**known)  # type: ignore[arg-type]  # the store gives back what was put


def slice_key(job: Job, slice_id: str) -> dict[str, object]:
    """Key of a slice's item."""
    return {"job_run": job.slices_key, "slice_id": slice_id}


def open_slice(job: Job, piece: Slice) -> Write:
    """Add an open slice that was not there before."""
    item: dict[str, object] = {
        **slice_key(job, piece.slice_id),
        "state": SliceState.OPEN.value,
        "since": to_iso(piece.since),
        "until": to_iso(piece.until),
        "tags": list(piece.tags),
        "page": piece.page,
        "page_size": piece.page_size,
    }
    kept = {name: value for name, value in item.items() if value is not None}
    return Write(SLICES.name, slice_key(job, piece.slice_id), put=kept, absent=True)


def slice_of(item: Item) -> StoredSlice:
    """Read a slice."""
    piece = Slice(
        slice_id=SliceId(str(item["slice_id"])),
        since=parse_iso(str(item["since"])),
        until=parse_iso(str(item["until"])),
        tags=tuple(TagPath(tag) for tag in _texts(item.get("tags"))),
        page=_whole(item.get("page")),
        page_size=_whole(item.get("page_size")),
    )
    return StoredSlice(
        slice=piece,
        state=SliceState(str(item["state"])),
        rows=_whole(item.get("rows")) or 0,
        bytes=_whole(item.get("bytes")) or 0,
        attempts=_whole(item.get("attempts")) or 0,
        reason=str(item["reason"]) if "reason" in item else None,
        released=tuple(SliceId(one) for one in _texts(item.get("released"))),
    )


def event(job_id: str, run: int, name: str, *, at: Micros, **details: object) -> Write:
    """Add an event to a job's history; the same event at the same time stands there once."""
    told = {name: value for name, value in details.items() if value is not None}
    what = f"status-{told['status']}" if name == "status" else name
    key: dict[str, object] = {"job_id": job_id, "event_id": event_id(to_iso(at), run, what)}
    item = {**key, "run": run, "event": name, "at": to_iso(at), **told}
    return Write(STEPS.name, key, put=item)


def event_id(at: str, run: int, what: str) -> str:
    """Id of an event: it sorts by its time, which is cut to milliseconds as Step Functions does."""
    return f"{at.removesuffix('Z')[:23]}Z-{run}-{what}"


def past_events(job: Job) -> list[dict[str, object]]:
    """Events that the state machine wrote into the job's own item."""
    return [
        {
            "event_id": event_id(
                str(one["at"]), _whole(one["run"]) or 0, f"status-{one['status']}"
            ),
            "event": "status",
            **one,
        }
        for one in job.history
    ]


def change_job(job: Job, **parts: object) -> Write:
    """Change a job that is still in this run and status."""
    require = {"run": job.run, "status": job.status.value}
    return Write(JOBS.name, job_key(job.job_id), set=parts, require=require)


def _entries(value: object) -> tuple[Mapping[str, object], ...]:
    return (
        tuple(one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else ()
    )


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
