"""One training in containers, each of its services killed in the middle of its own work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from penstock_local.demo import steps
from penstock_local.demo.plant_scenario import readings_api
from penstock_local.demo.scenario import Json

from tests.compose.containers import Container, docker
from tests.compose.load import HISTORY_URL, PUMPS, SOURCE, Arena, scenario_of
from tests.e2e.pumps import Stream
from tests.e2e.training import Traces, traces_of, wait_for_end, wait_for_job

_HARDLY_ANY_CPU = "0.05"
_KILLED = ("training-fetcher", "training-preparer", "training-orchestrator")


@dataclass(frozen=True, slots=True)
class Trained:
    """A job that ended, what it left, and what its services were doing when they were killed."""

    job: Json
    traces: Traces
    status_at_kill: dict[str, str]


def train_under_kills(arena: Arena) -> Trained:
    """Train; kill the fetcher, the preparer and the orchestrator, each when it is its turn."""
    _make_known(arena)
    # Before the job begins: on a busy machine the engine is slower to answer than a pull to end.
    containers = {service: arena.stack.container(service) for service in _KILLED}
    preparer = containers["training-preparer"]
    full = _cpus(preparer)
    # A dataset of this size takes a second to prepare: too short to be met in the middle of it.
    docker("update", "--cpus", _HARDLY_ANY_CPU, preparer.id)
    job_id = arena.stage.penstock.jobs.start(PUMPS.job(SOURCE))["job_id"]
    killed = Killing(arena, job_id, containers)
    killed.one("training-fetcher", lambda job: job["slices"]["done"] >= 5, "5 slices done")
    killed.one("training-preparer", lambda job: job["status"] == "PREPARING", "it prepares")
    docker("update", "--cpus", full, preparer.id)
    killed.one("training-orchestrator", lambda job: job["status"] == "TRAINING", "it trains")
    job = wait_for_end(arena.stage.penstock, killed.job_id, seconds=300)
    for container in containers.values():
        container.wait_until_healthy()
    return Trained(job, traces_of(arena.stack, job), killed.status_at_kill)


@dataclass(frozen=True, slots=True)
class Killing:
    """Kills a container when the job has come to a point, and starts it again."""

    arena: Arena
    job_id: str
    containers: Mapping[str, Container]
    status_at_kill: dict[str, str] = field(default_factory=dict)

    def one(self, service: str, holds: Callable[[Json], bool], claim: str) -> None:
        """Wait for the point, then kill and start the service's container."""
        penstock = self.arena.stage.penstock
        container = self.containers[service]
        job = wait_for_job(penstock, self.job_id, holds, claim, seconds=300)
        container.kill()
        self.status_at_kill[service] = job["status"]
        container.start()


def _make_known(arena: Arena) -> None:
    scenario = scenario_of(PUMPS, Stream(PUMPS))
    steps.set_up(arena.stage, scenario, history_url=HISTORY_URL)
    # So slow that there is time to kill somebody; and a fetcher that died keeps its place so long.
    body = {
        "plugin": "paged_json",
        "base_url": HISTORY_URL,
        "rate": {"rps": 12, "concurrency": 3},
        "timeout_s": 2,
        "options": readings_api(),
    }
    arena.stage.penstock.sources.put(SOURCE, body)


def _cpus(container: Container) -> str:
    return f"{container.inspect()['HostConfig']['NanoCpus'] / 1e9:g}"
