"""Numbers of model versions: v1, v2 ... per model, one for each run of a job."""

from dataclasses import dataclass

from penstock.domain.errors import StoreUnavailable, VersionConflict
from penstock.domain.jobs import Job
from penstock.ports import KeyValueStore, Write
from penstock.registry import COUNTER
from penstock.resources import JOBS, MODELS

from training_orchestrator.jobs_items import job_key

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Versions:
    """The counters in the table `models`."""

    store: KeyValueStore

    async def allocate(self, job: Job) -> str:
        """Number the version of a job's run; a repeat answers the same number.

        The counter rises and the job learns its number in one transaction, so none is given twice
        and none is lost.
        """
        key = {"model": job.model, "version": COUNTER}
        for _ in range(_TRIES):
            item = await self.store.get(JOBS.name, job_key(job.job_id)) or {}
            if item.get("run") == job.run and "model_version" in item:
                return str(item["model_version"])
            counter = await self.store.get(MODELS.name, key)
            last = int(str(counter["last"])) if counter else None
            version = f"v{(last or 0) + 1}"
            counting = Write(
                MODELS.name, key, set={"last": (last or 0) + 1}, require={"last": last}
            )
            learning = Write(
                JOBS.name,
                job_key(job.job_id),
                set={"model_version": version},
                require={"run": job.run, "model_version": None},
            )
            try:
                await self.store.write_all([counting, learning])
            except VersionConflict:
                continue
            return version
        raise StoreUnavailable(f"versions of {job.model} are counted by too many at once")
