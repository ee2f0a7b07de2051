"""A worker with everything outside of it in memory, and what a story needs to tell."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import FastAPI
from inference_worker.app import create_app
from inference_worker.places import CORRECTIONS, DEFERRED, INFERENCE, Places
from inference_worker.settings import Settings
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from penstock.adapters.archive import ReadingsArchive, open_pack
from penstock.adapters.memory import (
    FakeClock,
    MemoryKeyValueStore,
    MemoryModelHost,
    MemoryObjectStore,
    MemoryQueue,
    MemoryTopic,
)
from penstock.channels.deferred import CHANNEL as DEFERRED_CHANNEL
from penstock.channels.deferred import DeferredMessage
from penstock.channels.predictions import CHANNEL as PREDICTIONS
from penstock.channels.predictions import predictions_of
from penstock.channels.readings import CHANNEL as READINGS
from penstock.channels.readings import ReadingsMessage, readings_message, to_columns
from penstock.domain.assets import Asset, Binding, Context
from penstock.domain.errors import StoreUnavailable, UnknownEndpoint
from penstock.domain.ids import PackId, sortable_id
from penstock.domain.predictions import Prediction
from penstock.domain.readings import Reading
from penstock.domain.readings import Sequence as SequenceReading
from penstock.domain.time import SECOND, Micros
from penstock.ledger import ARCHIVE_HOP, INFERENCE_HOP, Ledger
from penstock.model_types.xgboost import MODEL_TYPE as XGBOOST
from penstock.ports import InvokeAnswer, ModelHost
from penstock.registry import ModelRegistry, ModelVersion
from penstock.runtime.traceparent import new_traceparent

from tests.factories import NOON, make_reading
from tests.fixtures import waiting
from tests.unit.inference_worker.plants import PUMP

# Patience with models is longer than any busy machine takes: rows are deferred where a story says.
SETTINGS = Settings.model_validate(
    {"aurora": {"dsn": "postgresql://nowhere"}, "receive_wait_seconds": 0.05,
     "drain_seconds": 1.0, "context_poll_seconds": 0.01, "publish_linger_seconds": 0.001,
     "live_patience_seconds": 50.0, "probe_seconds": 0.01}
)  # fmt: skip


def score(body: bytes) -> bytes:
    """A model that answers the mean of the present features over 100."""
    scores = []
    for line in body.decode().split("\n"):
        present = [float(number) for number in line.split(",") if number]
        scores.append(min(1.0, abs(sum(present)) / (100 * max(1, len(present)))))
    return (
        '{"predictions": [' + ", ".join(f'{{"score": {one!r}}}' for one in scores) + "]}"
    ).encode()


class StubbornHost:
    """A host whose endpoints are coroutines: they may hang, fail, and heal."""

    def __init__(self, **endpoints: Callable[[bytes], Awaitable[bytes]]) -> None:
        self.endpoints = endpoints
        self.calls: list[tuple[str, int, str | None]] = []

    async def invoke(
        self,
        endpoint: str,
        body: bytes,
        *,
        content_type: str,
        accept: str,
        variant: str | None = None,
        inference_id: str | None = None,
    ) -> InvokeAnswer:
        self.calls.append((endpoint, body.count(b"\n") + 1, variant))
        if endpoint not in self.endpoints:
            raise UnknownEndpoint(f"Endpoint {endpoint} not found.")
        return InvokeAnswer(await self.endpoints[endpoint](body), accept, variant or "v1")


class MemoryContext:
    """A context that a test may change or take away."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.is_down = False
        self.told = 0
        """Version that every worker knows once it is told twice: the first was being read."""

    async def version(self) -> int:
        if self.is_down:
            raise StoreUnavailable("aurora is down")
        self.told = self._asked if self._asked == self.context.version else self.told
        self._asked = self.context.version
        return self.context.version

    _asked = 0

    async def read(self) -> Context:
        if self.is_down:
            raise StoreUnavailable("aurora is down")
        return self.context


@dataclass
class MemoryDeadLetters:
    letters: list[tuple[str, str]] = field(default_factory=list)

    async def dead_letter(self, body: str, *, reason: str) -> None:
        self.letters.append((body, reason))

    @property
    def messages(self) -> list[DeferredMessage]:
        return [DEFERRED_CHANNEL.decode(body) for body, _ in self.letters]


FRAME_JSON = """{"mode": "row", "features": [{"name": "temp", "tag": "TEMP"},
                                             {"name": "vibration", "tag": "VIBRATION"}]}"""


def version(
    model: str = "pump-failure",
    number: int = 1,
    frame: str = FRAME_JSON,
    *,
    algorithm: str = "xgboost",
) -> ModelVersion:
    return ModelVersion(
        model=model, version=f"v{number}", algorithm=algorithm, endpoint=model, frame=frame,
        job_id="j1", run=1, dataset_id="d1", artefact="s3://models/1", metrics="{}",
        trained_to=Micros(NOON), created_at=Micros(NOON),
    )  # fmt: skip


class World:
    """Everything that workers share."""

    def __init__(
        self,
        *bindings: Binding,
        assets: Sequence[Asset] = (PUMP,),
        endpoints: Mapping[str, Callable[[bytes], bytes]] | None = None,
        on_publish: Callable[[str], str | None] | None = None,
    ) -> None:
        self.clock = FakeClock(NOON)
        self.tables = MemoryKeyValueStore()
        self.context = MemoryContext(Context(1, tuple(assets), (), bindings))
        self.objects = MemoryObjectStore()
        self.archive = ReadingsArchive(self.objects)
        self.host: ModelHost = MemoryModelHost(dict(endpoints or {"pump-failure": score}))
        self.inference = MemoryQueue(INFERENCE.name)
        self.deferred = MemoryQueue(DEFERRED.name)
        self.corrections = MemoryQueue(CORRECTIONS.name)
        self.topic = MemoryTopic(on_publish=on_publish)
        self.dead = MemoryDeadLetters()
        self.ledger = Ledger(self.tables, self.clock)
        self.spans = InMemorySpanExporter()
        self._packs = 0

    @staticmethod
    def settings(**changes: object) -> Settings:
        """The settings of tests with some changed."""
        return SETTINGS.model_copy(update=changes)

    async def register(self, *versions: ModelVersion) -> None:
        registry = ModelRegistry(self.tables)
        for one in versions or (version(),):
            await registry.register(one)
            await registry.promote(one.model, one.version, at=Micros(NOON))

    def pack(
        self, *readings: Reading, sequences: Sequence[SequenceReading] = ()
    ) -> ReadingsMessage:
        self._packs += 1
        return readings_message(
            to_columns(readings, sequences),
            pack_id=sortable_id(self.clock.now(), self._packs.to_bytes(10, "big")),
            created_at=self.clock.now(),
            trace=new_traceparent(is_sampled=True),
        )

    async def send(self, *readings: Reading) -> ReadingsMessage:
        message = self.pack(*readings)
        await self.inference.publish([READINGS.encode(message)])
        return message

    async def archive_pack(self, message: ReadingsMessage) -> None:
        await self.archive.write([open_pack(message)])
        await self.ledger.record(PackId(message.id), ARCHIVE_HOP, {"archived": 1})

    async def counts(self, message: ReadingsMessage) -> dict[str, int]:
        return (await self.ledger.counts(PackId(message.id)))[INFERENCE_HOP]

    def hurry(self) -> None:
        """Show at once what was given back for a while."""
        for queue in (self.inference, self.deferred, self.corrections):
            queue.redeliver_all()

    def wait_a_minute(self) -> None:
        """Let time pass for what is not due yet."""
        self.clock.advance(seconds=60)
        self.hurry()

    @property
    def shown(self) -> dict[tuple[str, str, int, str], Prediction]:
        """What every sink shows: the greatest precedence of each identity."""
        return newest(self.predictions)

    @property
    def predictions(self) -> list[Prediction]:
        """All that was published, in order."""
        return [
            prediction
            for body in self.topic.published
            for prediction in predictions_of(PREDICTIONS.decode(body))
        ]

    def places(self) -> Places:
        return Places(
            clock=self.clock,
            tables=self.tables,
            context=self.context,
            archive=self.archive,
            model_host=self.host,
            model_types={"xgboost": XGBOOST},
            receivers={
                INFERENCE.name: self.inference,
                DEFERRED.name: self.deferred,
                CORRECTIONS.name: self.corrections,
            },
            predictions=self.topic,
            deferred=self.deferred,
            corrections=self.corrections,
            dead_letters=self.dead,
        )

    @contextlib.asynccontextmanager
    async def worker(self, settings: Settings = SETTINGS) -> AsyncIterator[FastAPI]:
        """Run a whole worker; several may run beside each other."""

        @contextlib.asynccontextmanager
        async def opening(_settings: Settings) -> AsyncIterator[Places]:
            yield self.places()

        app = create_app(settings, opening=opening, spans=self.spans)
        async with app.router.lifespan_context(app):
            yield app


async def until(claim: Callable[[], bool], *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait for a claim, and give it a push before each look."""

    def look() -> bool:
        if claim():
            return True
        meanwhile()
        return False

    await waiting.until(look, "the claim comes true")


def newest(predictions: Sequence[Prediction]) -> dict[tuple[str, str, int, str], Prediction]:
    """What every sink shows: the greatest precedence of each identity."""
    shown: dict[tuple[str, str, int, str], Prediction] = {}
    for prediction in predictions:
        held = shown.get(prediction.identity)
        if held is None or prediction.precedence >= held.precedence:
            shown[prediction.identity] = prediction
    return shown


def scan(second: float, temp: float, vibration: float, asset: str = "P-101") -> list[Reading]:
    at = NOON + round(second * SECOND)
    return [
        make_reading(tag=f"/SITE01/{asset}/TEMP", at=at, value=temp),
        make_reading(tag=f"/SITE01/{asset}/VIBRATION", at=at, value=vibration),
    ]


def knows_version(world: World, version: int) -> bool:
    return world.context.told >= version
