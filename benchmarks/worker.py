"""What share of a model's own speed inference-worker passes on, and what it adds to one call.

The worker is whole: consumer, packs, states, frames, micro-batches, publishing. Queue, topic and
tables are in memory; the model is a process of its own behind the real InvokeEndpoint that waits as
a model of four workers would: 5 ms a call, and a time per row. Two loads for every model:

- all at once, in packs of 250 rows: rows a second beside those of a bare loop of full batches, both
  as the model saw them from its first call on, for as long as there was more to ask;
- half of what one call per message can bear, messages of 10 rows at fixed times: p99 beside a bare
  call per message, both from when a message is due to the answer.

The rivals use the same client and have their requests ready: no pack, no frame, no publishing. All
run interleaved, round by round; the figures are medians.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from urllib.request import urlopen

import uvloop
from inference_worker.app import SERVICE, create_app
from inference_worker.places import Places
from inference_worker.settings import Settings
from penstock.adapters.aws import aws_clients
from penstock.adapters.model_host import open_model_host
from penstock.domain.time import Micros
from penstock.model_types.xgboost import MODEL_TYPE
from penstock.ports import ModelHost
from penstock.runtime.lifecycle import collect_seldom
from penstock.runtime.logging import configure_logging
from penstock_local.ports import free_ports

from benchmarks import door
from benchmarks.worker_load import Feed, Load, Message, Topic, places
from benchmarks.worker_model import FULL_BATCH, WORKERS, Call, Pace

PACK, MESSAGE = 250, 10
"""Rows in a full pack, and in a message of its own."""
BARE_CALLS = 2 * WORKERS
"""In flight of the bare loop: each worker has its next batch waiting."""
SHARE, LONGER = 0.85, 1.2
"""What is promised: at least this share of the rate, at most this much of a call's p99."""
SETTINGS = Settings.model_validate(
    {"aurora": {"dsn": "postgresql://nowhere"}, "receive_wait_seconds": 0.5}
)
_MOST_ROWS = 30_000
"""Of a backlog: a worker that is the slower one shows it with fewer, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one model in one round. Rates in rows a second, times in milliseconds."""

    own_rate: float
    rate: float
    cpu_us_per_row: float
    offered: float
    call_p50: float
    call_p99: float
    answered_p50: float
    answered_p99: float
    durable_p50: float
    durable_p99: float

    @property
    def share(self) -> float:
        return self.rate / self.own_rate

    @property
    def longer(self) -> float:
        return self.answered_p99 / self.call_p99


@dataclass(frozen=True, slots=True)
class Worked:
    """What a run of the worker showed: calls of the model, seconds that rows took, CPU."""

    calls: list[Call]
    answered: list[float]
    durable: list[float]
    cpu_us_per_row: float
    until: float


@dataclass(frozen=True, slots=True)
class Contest:
    """The worker and its rivals, each against the same model."""

    host: ModelHost
    model_url: str
    seconds: float
    tags: int
    table_seconds: float

    async def run(self, paces: Sequence[Pace], rounds: int) -> dict[str, list[Figures]]:
        told: dict[str, list[Figures]] = {pace.name: [] for pace in paces}
        for number in range(rounds + 1):  # the first one warms up
            for pace in paces:
                figures = await self._round(pace)
                if number:
                    told[pace.name].append(figures)
        return told

    async def _round(self, pace: Pace) -> Figures:
        batches = await self._batches(pace)
        backlog = await self._worker(pace, self._backlog(pace), paced=False)
        per_second = pace.capacity(MESSAGE) / 2
        calls = await self._calls(self._at_fixed_times(per_second), pace)
        steady = await self._worker(pace, self._at_fixed_times(per_second), paced=True)
        (call_p50, call_p99) = _percentiles(calls)
        (answered_p50, answered_p99) = _percentiles(steady.answered)
        (durable_p50, durable_p99) = _percentiles(steady.durable)
        return Figures(
            own_rate=rows_per_second(batches, max(call.began for call in batches)),
            rate=rows_per_second(backlog.calls, backlog.until),
            cpu_us_per_row=backlog.cpu_us_per_row, offered=per_second * MESSAGE,
            call_p50=call_p50, call_p99=call_p99,
            answered_p50=answered_p50, answered_p99=answered_p99,
            durable_p50=durable_p50, durable_p99=durable_p99,
        )  # fmt: skip

    def _backlog(self, pace: Pace) -> list[Message]:
        # More than the window needs: what is taken last is answered when nothing waits any more.
        rows = round(pace.rate * self.seconds) + SETTINGS.deliveries_at_once * PACK
        load = Load(rows=min(rows, _MOST_ROWS), rows_per_message=PACK, tags=self.tags)
        return load.messages(_now())

    def _at_fixed_times(self, per_second: float) -> list[Message]:
        rows = round(per_second * self.seconds) * MESSAGE
        load = Load(rows=rows, rows_per_message=MESSAGE, tags=self.tags, per_second=per_second)
        # Once all are made and the worker is up; it is looked at whether that was so.
        return load.messages(Micros(_now() + 2_000_000 + rows * self.tags * 20))

    async def _batches(self, pace: Pace) -> list[Call]:
        """Ask for full batches and do nothing else; tell the model's calls."""
        load = Load(rows=16 * FULL_BATCH, rows_per_message=FULL_BATCH // 4, tags=self.tags)
        parts = [message.request for message in load.messages(_now())]
        requests = [b"\n".join(parts[n : n + 4]) for n in range(0, len(parts), 4)]
        turns = max(2, round(pace.rate * self.seconds / FULL_BATCH / BARE_CALLS))

        async def ask(number: int) -> None:
            for turn in range(turns):
                await self._call(pace, requests[(number * turns + turn) % len(requests)])

        self._told()
        await asyncio.gather(*map(ask, range(BARE_CALLS)))
        return self._told()

    async def _calls(self, sent: Sequence[Message], pace: Pace) -> list[float]:
        """One call per message: seconds that its rows took, from when it was due."""
        took: list[float] = []

        async def ask(message: Message) -> None:
            await self._call(pace, message.request)
            took.extend([time.time() - message.due / 1e6] * message.rows)

        feed, left = Feed(sent), len(sent)
        async with asyncio.TaskGroup() as calls:
            while left:
                shown = await feed.receive(at_most=10, wait_seconds=1)
                left -= len(shown)
                for one in shown:
                    calls.create_task(ask(one.message))
        return took

    async def _call(self, pace: Pace, request: bytes) -> None:
        answer = await self.host.invoke(
            pace.name, request, content_type=MODEL_TYPE.content_type, accept=MODEL_TYPE.accept
        )
        assert len(MODEL_TYPE.decode(answer.body, request.count(b"\n") + 1))

    def _told(self) -> list[Call]:
        """What the model was asked since this was last called."""
        with urlopen(f"{self.model_url}/calls") as answer:  # noqa: S310  # our own words
            return [Call(*call) for call in json.load(answer)]

    async def _worker(self, pace: Pace, sent: Sequence[Message], *, paced: bool) -> Worked:
        feed, topic, rows = Feed(sent), Topic(), sum(message.rows for message in sent)
        around = await places(
            feed, topic, self.host, pace, tags=self.tags, table_seconds=self.table_seconds
        )

        @asynccontextmanager
        async def opening(_settings: Settings) -> AsyncIterator[Places]:
            yield around

        app = create_app(SETTINGS, opening=opening)
        collect_seldom()  # as the command does
        self._told()
        async with app.router.lifespan_context(app):
            assert not paced or sent[0].due > _now(), "the first was due before the worker was up"
            began = time.process_time()
            await asyncio.wait_for(feed.all_acked.wait(), 300)
            cpu = (time.process_time() - began) / rows * 1e6
        found = list(topic.predictions())
        assert len({p.identity for _, p in found}) == rows, "a row was not answered"
        return Worked(
            calls=self._told(),
            answered=[(p.predicted_at - p.received_at) / 1e6 for _, p in found],
            durable=[(taken_at - p.received_at) / 1e6 for taken_at, p in found],
            cpu_us_per_row=cpu,
            until=feed.empty_since / 1e6,
        )


def rows_per_second(calls: Sequence[Call], until: float) -> float:
    """Rows a second from the first call until then; a call under way counts by its progress."""
    since = min(call.began for call in calls)
    rows = sum(
        call.rows * min(1.0, (until - call.began) / (call.done - call.began))
        for call in calls
        if call.began < until
    )
    return rows / (until - since)


def _percentiles(took: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(took, n=100)
    return cuts[49] * 1e3, cuts[98] * 1e3


def _now() -> Micros:
    return Micros(time.time_ns() // 1_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one run")
    parser.add_argument("--tags", type=int, default=8, help="of an asset, all read in one scan")
    parser.add_argument("--table-ms", type=float, default=0, help="that tables take to answer")
    parser.add_argument(
        "--rates", type=int, nargs="+", default=[2_000, 5_000, 10_000, 20_000],
        help="rows a second that the model answers in full batches",
    )  # fmt: skip
    options = parser.parse_args()
    door.OUT.mkdir(exist_ok=True)
    with (door.OUT / "worker.log").open("w") as log, _model() as url:
        with contextlib.redirect_stderr(log):  # one line per delivery, as everywhere
            configure_logging(SETTINGS, SERVICE)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            told = runner.run(_measure(options, url))
    _tell(told, options)


async def _measure(options: argparse.Namespace, model_url: str) -> dict[str, list[Figures]]:
    async with aws_clients(SETTINGS.region) as aws:
        contest = Contest(
            await open_model_host(aws), model_url,
            options.seconds, options.tags, options.table_ms / 1e3,
        )  # fmt: skip
        return await contest.run([Pace(rate) for rate in options.rates], options.rounds)


@contextlib.contextmanager
def _model() -> Iterator[str]:
    port = free_ports(["model"])["model"]
    url = f"http://127.0.0.1:{port}"
    os.environ |= {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url,
        "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench",
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.worker_model", "--port", str(port)]
    with subprocess.Popen(command) as process:  # noqa: S603  # our own words
        try:
            door.wait_for(port)
            door.pin(process.pid, door.SERVER_CORE)
            door.pin_load()
            yield url
        finally:
            process.terminate()
            process.wait(20)


def _median(rounds: Sequence[Figures]) -> dict[str, float]:
    names = [*(field.name for field in fields(Figures)), "share", "longer"]
    return {name: statistics.median(getattr(one, name) for one in rounds) for name in names}


def _tell(told: dict[str, list[Figures]], options: argparse.Namespace) -> None:
    medians = {name: _median(rounds) for name, rounds in told.items()}
    figures = {
        "load": vars(options), "medians": medians,
        "promised": {"share": SHARE, "longer": LONGER},
        "rounds": {name: [asdict(one) for one in rounds] for name, rounds in told.items()},
    }  # fmt: skip
    (door.OUT / "worker.json").write_text(json.dumps(figures, indent=2) + "\n")
    print("| model's own rows/s | worker's rows/s | share | promised | CPU µs per row |")
    print("|--:|--:|--:|--:|--:|")
    for m in medians.values():
        print(
            f"| {m['own_rate']:,.0f} | {m['rate']:,.0f} | {m['share']:.2f} | ≥ {SHARE} "
            f"| {m['cpu_us_per_row']:.0f} |"
        )
    print("\n| model's own rows/s | offered rows/s | a call, p50 ms | p99 | worker, p50 ms | p99 "
          "| p99 to a call's | promised | until published, p50 ms | p99 |")  # fmt: skip
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for m in medians.values():
        print(
            f"| {m['own_rate']:,.0f} | {m['offered']:,.0f} | {m['call_p50']:.1f} "
            f"| {m['call_p99']:.1f} | {m['answered_p50']:.1f} | {m['answered_p99']:.1f} "
            f"| {m['longer']:.2f} | ≤ {LONGER} | {m['durable_p50']:.1f} | {m['durable_p99']:.1f} |"
        )


if __name__ == "__main__":
    main()
