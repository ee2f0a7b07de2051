"""A model of known speed behind the real InvokeEndpoint: it only waits, and answers at once then.

`python -m benchmarks.worker_model --port N`. An endpoint's name tells its rate: so many workers,
each busy for a fixed time and a time per row. A call begins when a worker is free by the clock, not
when a timer woke up, so the rate is kept to the row. The score of a row is its first feature over a
thousand, so that whoever asked can see that an answer is the row's own.
"""

import argparse
import asyncio
import heapq
import json
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import uvicorn
import uvloop

from benchmarks.door_server import body_of, send_answer

WORKERS = 4
FIXED_SECONDS = 0.005
FULL_BATCH = 512
VARIANT = "v1"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a call takes, so that full batches come to `rate` rows a second."""

    rate: int

    @property
    def name(self) -> str:
        """Name of the endpoint."""
        return f"rate-{self.rate}"

    def seconds(self, rows: int) -> float:
        """How long a worker is busy with a call."""
        per_row = (WORKERS * FULL_BATCH / self.rate - FIXED_SECONDS) / FULL_BATCH
        return FIXED_SECONDS + rows * per_row

    def capacity(self, rows: int) -> float:
        """Calls of that many rows that all workers together answer in a second."""
        return WORKERS / self.seconds(rows)


def score(first_feature: float) -> float:
    """What the model says of a row."""
    return first_feature / 1_000


class Call(NamedTuple):
    """One call as its worker saw it; times of the epoch."""

    began: float
    done: float
    rows: int


class Model:
    """Endpoints by name, made when they are first asked; `/calls` tells and forgets the calls."""

    def __init__(self) -> None:
        self._free_from: dict[str, list[float]] = {}
        self._calls: list[Call] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(receive)
        if scope["method"] == "GET":
            told, self._calls = self._calls, []
            await send_answer(send, json.dumps(told).encode())
            return
        name = scope["path"].split("/")[2]
        rows = body.split(b"\n")
        scores = [{"score": score(float(row.partition(b",")[0]))} for row in rows]
        await asyncio.sleep(self._wait(Pace(int(name.partition("-")[2])), len(rows)))
        more = [(b"x-amzn-invoked-production-variant", VARIANT.encode())]
        await send_answer(send, json.dumps({"predictions": scores}).encode(), more=more)

    def _wait(self, pace: Pace, rows: int) -> float:
        now = time.time()
        free_from = self._free_from.setdefault(pace.name, [0.0] * WORKERS)
        began = max(now, free_from[0])
        done = began + pace.seconds(rows)
        heapq.heapreplace(free_from, done)
        self._calls.append(Call(began, done, rows))
        return done - now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    config = uvicorn.Config(
        Model(), port=parser.parse_args().port, http="httptools", log_level="warning",
        access_log=False, timeout_keep_alive=75,
    )  # fmt: skip
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
