"""Docker as people drive it, by its command line; and the stack of docker-compose.yml in it."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from penstock_local.addresses import aurora_dsn, http_url
from penstock_local.ports import free_ports
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.waiting import wait_until

ROOT = Path(__file__).parents[2]
TAG = os.environ.get("PENSTOCK_TAG", "dev")
HEALTHY_WITHIN_SECONDS = 240.0
_FILES = (ROOT / "docker-compose.yml", ROOT / "tests" / "compose" / "published.yml")
_PUBLISHED = ("aws", "sagemaker", "postgres", "snowflake")
_PROJECT = "penstock-test-"


def image_of(name: str) -> str:
    """Tag of an image that `make images` has built."""
    return f"penstock/{name}:{TAG}"


def run(
    *words: str, env: Mapping[str, str] | None = None, seconds: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Run docker and return how it ended, whatever that was."""
    return subprocess.run(  # noqa: S603  # our own words
        ["docker", *words],  # noqa: S607  # the client that the machine has
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def docker(*words: str, env: Mapping[str, str] | None = None, seconds: float = 300.0) -> str:
    """Run docker and return what it said; fail with what it complained of."""
    ended = run(*words, env=env, seconds=seconds)
    said = f"{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    assert ended.returncode == 0, f"docker {' '.join(words)} ended with {ended.returncode}:\n{said}"
    return ended.stdout


@dataclass(frozen=True, slots=True)
class Container:
    """One container, by its id."""

    id: str

    def inspect(self) -> dict[str, Any]:
        """All that the engine knows of it."""
        (found,) = json.loads(docker("inspect", self.id))
        return dict(found)

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.inspect()["State"])

    @property
    def is_healthy(self) -> bool:
        state = self.state
        return (state["Status"], state["Health"]["Status"]) == ("running", "healthy")

    @property
    def restarts(self) -> int:
        return int(self.inspect()["RestartCount"])

    def kill(self) -> None:
        """End all of it at once, as the loss of its machine would; the engine leaves it so."""
        docker("kill", "--signal", "KILL", self.id)
        wait_until(
            lambda: self.state["Status"] == "exited", f"{self.id[:12]} is dead", every_seconds=0.1
        )

    def start(self) -> None:
        docker("start", self.id)

    def crash(self) -> None:
        """End its program by SIGKILL from inside, as the kernel does where memory is short.

        The container's first process is the engine's own init, so that this can be done at all.
        """
        (program,) = docker("exec", self.id, "cat", "/proc/1/task/1/children").split()[:1]
        docker("exec", self.id, "sh", "-c", f"kill -9 {program}")

    def wait_until_restarted(self, *, before: int) -> None:
        """Wait until the engine has started it by itself more often than `before`."""
        wait_until(
            lambda: self.restarts > before and self.state["Status"] == "running",
            f"{self.id[:12]} was started again",
            seconds=HEALTHY_WITHIN_SECONDS,
            every_seconds=0.2,
        )

    def counted(self, name: str, *, port: int, **labels: str) -> float:
        """Sum of a counter's samples that have these labels."""
        url = f"http://127.0.0.1:{port}/metrics"
        ask = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
        text = docker("exec", self.id, "python", "-c", ask)
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"penstock_{name}_total" and labels.items() <= sample.labels.items()
        )

    def wait_until_healthy(self) -> None:
        """Wait until it runs and says of itself that it is well."""
        wait_until(
            lambda: self.is_healthy,
            f"{self.id[:12]} is healthy",
            seconds=HEALTHY_WITHIN_SECONDS,
            every_seconds=0.5,
        )


def forget_the_dead() -> None:
    """Take down stacks of test runs that were killed before they could do it."""
    for found in json.loads(docker("compose", "ls", "--all", "--format", "json")):
        name = str(found["Name"])
        if name.startswith(_PROJECT) and not psutil.pid_exists(int(name.removeprefix(_PROJECT))):
            ComposeStack(owner=int(name.removeprefix(_PROJECT))).down()


def _free_ports() -> dict[str, int]:
    return free_ports(["front-door", *_PUBLISHED])


@dataclass(frozen=True, slots=True)
class ComposeStack:
    """A stack of its own: docker-compose.yml, with ports through which a test looks into it."""

    owner: int = field(default_factory=os.getpid)
    """Process whose stack it is: another run of these tests may have one at the same time."""
    ports: Mapping[str, int] = field(default_factory=_free_ports)

    def compose(self, *words: str, seconds: float = 900.0) -> str:
        """Run docker compose on this stack."""
        return docker("compose", "--progress", "quiet", *words, env=self.variables, seconds=seconds)

    def up(self) -> None:
        """Start everything, the simulated plant too, and wait until all is healthy."""
        self.compose("up", "--detach", "--wait", "--wait-timeout", "600")
        self.compose("up", "--detach", "--wait", "--wait-timeout", "180", "simulator")

    def down(self) -> None:
        """Stop everything, by SIGTERM and in order, and forget it."""
        self.compose("--profile", "demo", "down", "--volumes", "--remove-orphans")

    def logs(self) -> str:
        """The last lines of everybody."""
        return self.compose("logs", "--no-color", "--tail", "30")

    def endpoint(self, part: str) -> str:
        """URL or DSN of a part, for programs on this machine."""
        port = self.ports[part]
        return aurora_dsn(port) if part == "postgres" else http_url(port)

    def containers(self, service: str) -> list[Container]:
        """Every container of a service."""
        return [Container(line) for line in self.compose("ps", "--quiet", service).split()]

    def container(self, service: str) -> Container:
        """The one container of a service."""
        (container,) = self.containers(service)
        return container

    @property
    def variables(self) -> dict[str, str]:
        """What makes a plain `docker compose` speak of this stack."""
        published = {f"PUBLISHED_{name.upper()}": str(self.ports[name]) for name in _PUBLISHED}
        return {
            **published,
            "COMPOSE_PROJECT_NAME": f"{_PROJECT}{self.owner}",
            "COMPOSE_FILE": os.pathsep.join(map(str, _FILES)),
            "PENSTOCK_PORT": str(self.ports["front-door"]),
            "PENSTOCK_PLANT_SUBNET": f"10.217.{60 + self.owner % 190}.0/24",
        }
