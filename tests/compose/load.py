"""Load on the stack while something happens to it, and what came of every reading of it."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from penstock_client.gateway import SendTotals
from penstock_local.demo import steps
from penstock_local.demo.scenario import Json, Scenario
from penstock_local.demo.steps import Outcome, Stage

from tests.compose.containers import ComposeStack
from tests.e2e.messages import Queues
from tests.e2e.pumps import Pumps, Stream
from tests.fixtures.waiting import wait_until

HISTORY_URL = "http://simulator:4700"
"""The simulated plant, as the fetcher reaches it."""
PUMPS = Pumps("pump-compose", site=5)
"""Whose history the model is trained on; the pumps of other sites ask the same model."""
SOURCE = "plant-by-drops"
_SECONDS_UNTIL_REDELIVERY = 15
LATE = ("--late-share", "0.05", "--late-by", "2400", "--connections", "2")


@dataclass(frozen=True, slots=True)
class Arena:
    """The stack with its doors open."""

    stack: ComposeStack
    stage: Stage
    queues: Queues

    def held_comes_back_soon(self) -> AbstractContextManager[None]:
        """Let what a killed container held come back before a test gives up waiting.

        For each test anew: a `docker compose start` runs the bootstrap too, which sets the queues
        right.
        """
        return self.queues.coming_back_after(_SECONDS_UNTIL_REDELIVERY)


@dataclass(slots=True)
class Load:
    """A stream under way, and what was found in the stores once it was over."""

    log: Path
    sending: Future[SendTotals]
    outcome: Outcome | None = None

    def goes_on(self, *, requests: int = 5) -> None:
        """Wait until so many more requests were accepted."""
        until = self.accepted + requests

        def has_more() -> bool:
            assert not self.sending.done(), "the stream ended before all was done to the stack"
            return self.accepted >= until

        wait_until(has_more, f"{until} requests were accepted", seconds=240, every_seconds=0.1)

    @property
    def accepted(self) -> int:
        """Requests that were answered by 200."""
        if not self.log.exists():
            return 0
        return sum(b'"status":200' in line for line in self.log.read_bytes().splitlines())

    def assert_nothing_lost_or_doubled(self) -> None:
        """Every frame's prediction is once in Aurora, Snowflake and the lake; latest is newest."""
        assert self.outcome is not None, "the stream goes on"
        assert len(self.outcome.expected) > 100
        wrong = "; ".join(str(finding) for finding in self.outcome.findings)
        assert self.outcome.is_right, wrong


def scenario_of(pumps: Pumps, stream: Stream) -> Scenario:
    """Pumps that ask the one trained model."""
    binding: Json = {
        "applies_to": {"asset_type": pumps.name},
        "model": {"name": PUMPS.name},
        # The plant's time runs so fast that a redelivery after seconds is one after hours.
        "grace": "3d",
    }
    return pumps.scenario(stream, source=SOURCE, binding=binding)


@contextmanager
def under_load(arena: Arena, pumps: Pumps) -> Iterator[Load]:
    """Stream the pumps' readings while the block runs; then look until all of them arrived."""
    stream = Stream(pumps, LATE)
    scenario = scenario_of(pumps, stream)
    folder = arena.stage.folder / pumps.name
    folder.mkdir()
    stage = replace(arena.stage, folder=folder)
    key = steps.set_up(stage, scenario, history_url=HISTORY_URL)
    steps.prove_the_way(stage, scenario, key)
    with arena.held_comes_back_soon(), ThreadPoolExecutor(1) as pool:
        sending = pool.submit(steps.stream, stage, scenario, key, lambda _: None)
        load = Load(stage.log, sending)
        try:
            load.goes_on()
            yield load
            load.goes_on()
        finally:
            stream.enough.set()
        sending.result()
    load.outcome = steps.settle(stage, scenario, seconds=300)
