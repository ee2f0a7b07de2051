"""What `benchmarks/worker.py` gives a worker to do, and the outside world that it does it in.

Queue, topic and tables are in memory; only the model is behind a wire.
"""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference_worker.places import CORRECTIONS, DEFERRED, INFERENCE, Places, discover_model_types
from penstock.adapters.archive import ReadingsArchive
from penstock.adapters.memory import MemoryKeyValueStore, MemoryObjectStore, MemoryQueue
from penstock.channels.predictions import CHANNEL as PREDICTIONS
from penstock.channels.predictions import predictions_of
from penstock.channels.readings import CHANNEL, ReadingBlock, columns_of_blocks, readings_message
from penstock.domain.assets import AppliesTo, Asset, Binding, Context
from penstock.domain.ids import AssetName, BindingName, GatewayId, TagPath
from penstock.domain.predictions import Prediction
from penstock.domain.time import Micros
from penstock.packing import PACK_LIMIT
from penstock.ports import Item, KeyValueStore, ModelHost, PublishOutcome, Write
from penstock.registry import ModelRegistry, ModelVersion
from penstock.runtime.clock import SystemClock, new_id
from penstock.runtime.traceparent import new_traceparent

from benchmarks.worker_model import VARIANT, Pace, score

ASSETS = 2_000


@dataclass(frozen=True, slots=True)
class Message:
    """A pack of scans as it lies in the queue, and the request that asks about them alone."""

    body: str
    request: bytes
    rows: int
    due: Micros
    """When it comes to the queue; its readings were accepted then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Scans of `tags` readings of assets in turn, each due to be one row for the model.

    `per_second` messages from `start` on; 0 has all of them wait there already.
    """

    rows: int
    rows_per_message: int
    tags: int
    per_second: float = 0.0

    def messages(self, start: Micros) -> list[Message]:
        draw = random.Random(start)
        made = []
        for number in range(self.rows // self.rows_per_message):
            first = number * self.rows_per_message
            due = Micros(start + (round(number / self.per_second * 1e6) if self.per_second else 0))
            scans = [
                (row % ASSETS, [round(draw.gauss(70, 5), 3) for _ in range(self.tags)])
                for row in range(first, first + self.rows_per_message)
            ]
            # Scans of an asset differ in time, however fast they come.
            made.append(_message(scans, Micros(due + number), due))
        return made


def _message(scans: Sequence[tuple[int, list[float]]], at: Micros, due: Micros) -> Message:
    block = ReadingBlock(
        GatewayId("gw-bench"),
        accepted_at=due,
        tags=[f"{_prefix(asset)}/{_tag(n)}" for asset, values in scans for n in range(len(values))],
        at=[at for _, values in scans for _ in values],
        value=[value for _, values in scans for value in values],
    )
    message = readings_message(
        columns_of_blocks([block]), pack_id=new_id(SystemClock()), created_at=due,
        trace=new_traceparent(is_sampled=False),
    )  # fmt: skip
    body = CHANNEL.encode(message)
    assert len(body) <= PACK_LIMIT, "no door would make such a pack"
    request = "\n".join(",".join(map(repr, values)) for _, values in scans).encode()
    return Message(body, request, len(scans), due)


def _tag(number: int) -> str:
    return f"TAG{number:02}"


def _prefix(asset: int) -> str:
    return f"/SITE{asset % 4:02}/LINE{asset % 8:02}/MACHINE{asset:04}"


class Feed:
    """A queue that shows each message when it is due, and takes nothing back."""

    def __init__(self, sent: Sequence[Message]) -> None:
        self._waiting = deque(sent)
        self._unsettled = len(sent)
        self.all_acked = asyncio.Event()
        self.empty_since = Micros(0)

    async def receive(self, *, at_most: int, wait_seconds: float) -> list["Shown"]:
        pause = (self._waiting[0].due / 1e6 - time.time()) if self._waiting else wait_seconds
        if pause > 0:
            await asyncio.sleep(min(pause, wait_seconds))
        now = time.time_ns() // 1_000
        shown: list[Shown] = []
        while self._waiting and self._waiting[0].due <= now and len(shown) < at_most:
            shown.append(Shown(self._waiting.popleft(), self))
        if shown and not self._waiting:
            self.empty_since = Micros(now)
        return shown

    def acked(self) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self.all_acked.set()


@dataclass(frozen=True, slots=True)
class Shown:
    """A delivery that can only be acked: a benchmark in which one fails is none."""

    message: Message
    feed: Feed
    receive_count: int = 1
    message_id: str = "m"

    @property
    def body(self) -> str:
        return self.message.body

    async def ack(self) -> None:
        self.feed.acked()

    async def nack(self, delay_seconds: float) -> None:
        raise SystemExit(f"a delivery was given back for {delay_seconds} s")

    async def extend(self, seconds: float) -> None:
        raise SystemExit(f"a delivery needs {seconds} s more")

    async def dead_letter(self, reason: str) -> None:
        raise SystemExit(f"a delivery was refused: {reason}")


class Topic:
    """Takes every pack at once, and remembers when."""

    def __init__(self) -> None:
        self.taken: list[tuple[Micros, str]] = []

    async def publish(self, bodies: Sequence[str]) -> list[PublishOutcome]:
        now = SystemClock().now()
        self.taken += [(now, body) for body in bodies]
        return [PublishOutcome()] * len(bodies)

    def predictions(self) -> Iterator[tuple[Micros, Prediction]]:
        """Every prediction with the moment that it was taken at; each answer is its row's own."""
        for taken_at, body in self.taken:
            for prediction in predictions_of(PREDICTIONS.decode(body)):
                assert prediction.probability == score(prediction.features[0]), "another row's"
                yield taken_at, prediction


class Tables(MemoryKeyValueStore):
    """Tables in memory whose answers take about as long as asked for; 0 is at once."""

    seconds = 0.0

    async def get(self, table: str, key: Item) -> dict[str, object] | None:
        await self._wait()
        return await super().get(table, key)

    async def write(self, write: Write) -> dict[str, object]:
        await self._wait()
        return await super().write(write)

    async def _wait(self) -> None:
        if self.seconds:
            await asyncio.sleep(self.seconds * random.uniform(0.5, 1.5))


class NoDeadLetters:
    """Nothing is refused here."""

    async def dead_letter(self, body: str, *, reason: str) -> None:
        raise SystemExit(f"a frame was refused: {reason}, {body[:200]}")


class Plant:
    """The context: assets of one type, and one binding that asks about all of them."""

    async def version(self) -> int:
        return 1

    async def read(self) -> Context:
        assets = tuple(
            Asset(AssetName(f"M-{n:04}"), f"SITE{n % 4:02}", "pump", (TagPath(_prefix(n)),))
            for n in range(ASSETS)
        )
        binding = Binding(BindingName("pump-failure"), AppliesTo(asset_type="pump"), "pump-failure")
        return Context(1, assets, (), (binding,))


async def places(
    feed: Feed, topic: Topic, host: ModelHost, pace: Pace, *, tags: int, table_seconds: float
) -> Places:
    """Everything around one worker, new and empty."""
    tables, clock = Tables(), SystemClock()
    await _register(tables, pace, tags)
    tables.seconds = table_seconds
    deferred, corrections = MemoryQueue(DEFERRED.name), MemoryQueue(CORRECTIONS.name)
    return Places(
        clock=clock, tables=tables, context=Plant(),
        archive=ReadingsArchive(MemoryObjectStore()), model_host=host,
        model_types=discover_model_types(),
        receivers={
            INFERENCE.name: feed, DEFERRED.name: deferred, CORRECTIONS.name: corrections,
        },
        predictions=topic, deferred=deferred, corrections=corrections,
        dead_letters=NoDeadLetters(),
    )  # fmt: skip


async def _register(tables: KeyValueStore, pace: Pace, tags: int) -> None:
    registry, at = ModelRegistry(tables), SystemClock().now()
    features = [{"name": _tag(n).lower(), "tag": _tag(n)} for n in range(tags)]
    frame = json.dumps({"mode": "row", "features": features})
    await registry.register(
        ModelVersion(
            model="pump-failure", version=VARIANT, algorithm="xgboost", endpoint=pace.name,
            frame=frame, job_id="j1", run=1, dataset_id="d1", artefact="s3://models/1",
            metrics="{}", trained_to=at, created_at=at,
        )
    )  # fmt: skip
    await registry.promote("pump-failure", VARIANT, at=at)
