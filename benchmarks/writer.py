"""What a row costs on its way to Aurora: our sink beside a bare binary COPY of the same rows.

Batches of 10,000 rows in 40 packs of 250; of 5,000 assets each answers once a second, so a pack
holds an asset once, the hardest case. The rivals are psycopg's COPY of ready tuples in binary into
a plain table with the same columns and keys, a transaction a batch: by the connection of a script,
and in an event loop and from a pool as in a service. Ratios are to the cheaper one. Of rows that
come again half are corrected and half as they were; a bare COPY would refuse them, so it is given
the fresh ones. CPU of our process is counted from opened packs to commit, and to open them apart.
All run interleaved, round by round, each into empty tables; the figures are medians.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil
import psycopg
import uvloop
from penstock.adapters.aurora import Pool, open_pool
from penstock.channels.predictions import CHANNEL, predictions_of
from penstock.domain.predictions import Prediction
from penstock.runtime.clock import SystemClock
from penstock.runtime.lifecycle import collect_seldom
from penstock_local.addresses import aurora_dsn
from penstock_local.ports import free_ports
from results_writer.aurora_wire import COLUMNS, since_2000
from results_writer.batch import Batch
from results_writer.sinks.aurora import AuroraSink

from benchmarks.writer_load import REPEATED, Shape, batches, bodies

OUT = Path(__file__).parent / "out" / "writer.json"
ROOT = Path(__file__).parents[1]
SHAPE = Shape(batches=10, packs_per_batch=40, rows_per_pack=250, assets=5_000)
BARE, LOOPED = "bare COPY", "bare COPY, in an event loop"
FRESH, AGAIN = "sink, all new", f"sink, {REPEATED:.0%} again"
COPY = f"COPY bare ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)".encode()
PROMISED = {FRESH: 1.7, AGAIN: 2.5}
WIRE_TYPES = (
    *["int8"] * 4, *["float8"] * 2, *["int4"] * 5, "int2", "float8", *["int2"] * 2, *["int4"] * 2,
    "bytea", "text",
)  # fmt: skip

Bodies = list[list[bytes]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds per row: CPU of our process, CPU of the server, both, wall; opening apart."""

    client: float
    server: float
    total: float
    wall: float
    opening: float = 0.0


@dataclass(frozen=True, slots=True)
class Server:
    dsn: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        times = [p.cpu_times() for p in self.process.children(recursive=True)]
        return float(sum(t.user + t.system for t in times))


@dataclass(frozen=True, slots=True)
class Contest:
    """The server, and what each rival writes."""

    server: Server
    rows: list[list[tuple[object, ...]]]
    bodies: dict[str, Bodies]

    async def run(self, rounds: int) -> dict[str, list[Cost]]:
        costs: dict[str, list[Cost]] = {}
        with psycopg.connect(self.server.dsn) as connection:
            _make_bare(connection)
            async with open_pool(self.server.dsn, 1) as pool:
                sinks = {name: AuroraSink(pool, SystemClock()) for name in self.bodies}
                for _ in range(rounds + 1):  # the first one warms up
                    for name in (BARE, LOOPED, *sinks):
                        connection.execute("TRUNCATE bare, predictions")
                        connection.commit()
                        gc.collect()
                        await pool.check()
                        if name == BARE:
                            one = self._bare(connection)
                        elif name == LOOPED:
                            one = await self._looped(pool)
                        else:
                            one = await self._sink(sinks[name], self.bodies[name])
                        costs.setdefault(name, []).append(one)
        return {name: some[1:] for name, some in costs.items()}

    def _bare(self, connection: psycopg.Connection) -> Cost:
        watch = Watch(self.server)
        for batch in self.rows:
            with connection.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.set_types(WIRE_TYPES)
                for row in batch:
                    copy.write_row(row)
            connection.commit()
        return watch.cost()

    async def _looped(self, pool: Pool) -> Cost:
        watch = Watch(self.server)
        for batch in self.rows:
            async with (
                pool.connection() as connection,
                connection.cursor() as cursor,
                cursor.copy(COPY) as copy,
            ):
                copy.set_types(WIRE_TYPES)
                for row in batch:
                    await copy.write_row(row)
        return watch.cost()

    async def _sink(self, sink: AuroraSink, bodies: Bodies) -> Cost:
        watch = Watch(self.server)
        for batch in bodies:
            with watch.opening():
                packs = [predictions_of(CHANNEL.decode(body.decode())) for body in batch]
            report = await sink.write(Batch(packs))
            assert not report.failed
        return watch.cost()


class Watch:
    """Counts from its making on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._opening = self._opening_wall = 0.0
        self._began = (time.process_time(), server.cpu_seconds(), time.perf_counter())

    @contextmanager
    def opening(self) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self._opening += time.process_time() - cpu
        self._opening_wall += time.perf_counter() - wall

    def cost(self) -> Cost:
        cpu, server, wall = self._began
        client = time.process_time() - cpu - self._opening
        ours = self._server.cpu_seconds() - server
        passed = time.perf_counter() - wall - self._opening_wall
        counted = (client, ours, client + ours, passed, self._opening)
        return Cost(*(seconds / SHAPE.rows * 1e6 for seconds in counted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    fresh = batches(SHAPE, repeated=0)
    again = batches(SHAPE, repeated=REPEATED)
    told = {FRESH: [bodies(b) for b in fresh], AGAIN: [bodies(b) for b in again]}
    rows = [[_tuple(p) for pack in batch for p in pack] for batch in fresh]
    del fresh, again
    collect_seldom()  # as the command does
    with _postgres() as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        costs = runner.run(Contest(server, rows, told).run(options.rounds))
    _tell(costs)


def _tuple(p: Prediction) -> tuple[object, ...]:
    asset = int(p.asset.rpartition("-")[2])
    return (
        *since_2000([p.event_time, p.received_at, p.predicted_at]),
        p.revision, p.value, p.probability, 1, asset, 0, 1, 1, int(p.kind), p.threshold,
        None if p.decision is None else int(p.decision), int(p.quality), p.features_missing,
        int(p.flags), bytes.fromhex(p.trace_id), p.pack_id,
    )  # fmt: skip


def _make_bare(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE bare (LIKE predictions INCLUDING DEFAULTS INCLUDING INDEXES)")
    connection.commit()


@contextmanager
def _postgres() -> Iterator[Server]:
    port = free_ports(["postgres"])["postgres"]
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "penstock_local.postgres", "--port", str(port), "--state-dir", folder]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log)  # noqa: S603  # our own words
        try:
            dsn = aurora_dsn(port)
            _wait_for(dsn)
            _migrate(dsn)
            yield Server(dsn, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(dsn: str) -> None:
    for _ in range(300):
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("PostgreSQL does not answer")


def _migrate(dsn: str) -> None:
    command = [sys.executable, "-m", "alembic", "-c", "infra/alembic.ini", "upgrade", "head"]
    environment = os.environ | {"PENSTOCK_AURORA_DSN": dsn}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)  # noqa: S603  # our own words


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*map(statistics.median, zip(*map(astuple, costs), strict=True)))


def _tell(measured: dict[str, list[Cost]]) -> None:
    medians = {name: _median(costs) for name, costs in measured.items()}
    bare = min(medians[BARE].client, medians[LOOPED].client)
    bare_total = min(medians[BARE].total, medians[LOOPED].total)
    ratios = {name: medians[name].client / bare for name in PROMISED}
    figures = {
        "us_per_row": {
            name: dict(zip(Cost.__slots__, astuple(c), strict=True)) for name, c in medians.items()
        },
        "ratios": ratios,
        "promised": PROMISED,
        "rounds": {name: [astuple(c) for c in costs] for name, costs in measured.items()},
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2) + "\n")
    print("| µs per row | our CPU | to COPY | promised | with opening | server's | both "
          "| to COPY | wall |")  # fmt: skip
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, cost in medians.items():
        promised = f"≤ {PROMISED[name]}" if name in PROMISED else ""
        with_opening = f"{cost.client + cost.opening:.2f}" if cost.opening else ""
        print(
            f"| {name} | {cost.client:.2f} | {cost.client / bare:.2f} | {promised} "
            f"| {with_opening} | {cost.server:.2f} | {cost.total:.2f} "
            f"| {cost.total / bare_total:.2f} | {cost.wall:.1f} |"
        )


if __name__ == "__main__":
    main()
