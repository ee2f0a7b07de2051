"""Where rows go: published together, deferred with patience, or kept for people."""

import asyncio
import random
from dataclasses import replace

import msgspec
import pytest
from inference_worker.asking import Deferred
from inference_worker.deferring import Deferring, DeferringLimits, Redriven
from inference_worker.publish import PredictionPublisher
from inference_worker.rows import prediction_of
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore, MemoryQueue, MemoryTopic
from penstock.channels.deferred import CHANNEL as DEFERRED
from penstock.channels.deferred import DeferredMessage, FrameRow
from penstock.channels.predictions import CHANNEL as PREDICTIONS
from penstock.channels.predictions import predictions_of
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import PackId
from penstock.domain.predictions import Prediction, PredictionKind
from penstock.domain.time import DAY, HOUR, SECOND, Micros
from penstock.ledger import PUBLISHED_HOP, Ledger
from penstock.model_type import Answer
from penstock.packing import PACK_LIMIT
from penstock.runtime.telemetry import Metrics

from tests.factories import NOON, make_prediction
from tests.unit.inference_worker.test_predictor import frame, frames
from tests.unit.inference_worker.worlds import MemoryDeadLetters

BROKEN = Deferred("EndpointUnavailable: 503")


class Counter:
    """The ways out of one worker."""

    def __init__(self, limits: DeferringLimits | None = None) -> None:
        self.clock = FakeClock(NOON)
        self.queue = MemoryQueue("deferred")
        self.dead = MemoryDeadLetters()
        self.deferring = Deferring(
            self.queue, self.dead, self.clock, Metrics("test"), limits=limits,
            jitter=random.Random(7),
        )  # fmt: skip

    @property
    def waiting(self) -> list[DeferredMessage]:
        return [DEFERRED.decode(body) for body in self.queue.bodies]

    async def defer(
        self, rows: list[FrameRow], why: Deferred = BROKEN, redriven: Redriven | None = None
    ) -> list[bool]:
        return await self.deferring.defer([(row, why) for row in rows], redriven or Redriven())


async def test_rows_wait_by_endpoint_with_the_reason() -> None:
    counter = Counter()
    assert await counter.defer([*frames(2), *frames(3, "ill")]) == [True] * 5
    assert [(m.endpoint, len(m.rows), m.reason) for m in counter.waiting] == [
        ("well", 2, BROKEN.reason),
        ("ill", 3, BROKEN.reason),
    ]
    assert all(NOON < m.not_before < NOON + 3 * SECOND for m in counter.waiting)


async def test_a_missing_feature_is_missing_again_when_its_row_comes_back() -> None:
    counter = Counter()
    await counter.defer([msgspec.structs.replace(frame(1), features=[float("nan"), 1.0])])
    (message,) = counter.waiting
    assert message.rows[0].features == [None, 1.0]


async def test_every_pause_is_longer_and_the_age_counts_from_the_first() -> None:
    counter = Counter()
    await counter.defer(frames(1), redriven=Redriven(attempts=3, first_at=Micros(NOON - HOUR)))
    (message,) = counter.waiting
    assert (message.attempts, message.created_at) == (4, NOON - HOUR)
    assert 12 * SECOND <= message.not_before - NOON <= 20 * SECOND


async def test_rows_that_waited_a_day_are_kept_for_people() -> None:
    counter = Counter()
    old = Redriven(attempts=99, first_at=Micros(NOON - DAY - 1))
    assert await counter.defer(frames(2), redriven=old) == [False, False]
    assert counter.waiting == []
    ((_, reason),) = counter.dead.letters
    assert "waited too long" in reason
    assert "503" in reason
    assert [row.asset for row in counter.dead.messages[0].rows] == ["P-0", "P-1"]


async def test_an_endpoint_may_not_fill_the_queue_without_end() -> None:
    counter = Counter(DeferringLimits(rows_per_hour=5))
    assert await counter.defer(frames(4)) == [True] * 4
    assert await counter.defer(frames(2)) == [False] * 2
    assert await counter.defer(frames(2, "ill")) == [True] * 2
    again = Redriven(attempts=1, first_at=Micros(NOON))
    assert await counter.defer(frames(2), redriven=again) == [True] * 2
    counter.clock.advance(seconds=3_600)
    assert await counter.defer(frames(2)) == [True] * 2


async def test_rows_beside_a_refused_one_come_back_in_ever_smaller_company() -> None:
    refused = Deferred("the endpoint refused too many rows of one call", is_refusal=True)
    sizes = []
    for attempts in range(4):
        counter = Counter()
        first_at = Micros(NOON) if attempts else None
        await counter.defer(frames(200), refused, Redriven(attempts, first_at))
        sizes.append(max(len(message.rows) for message in counter.waiting))
    assert sizes == [50, 12, 3, 1]


async def test_wide_rows_are_split_to_fit_a_message() -> None:
    counter = Counter()
    await counter.defer([frame(1 / 3, width=5_000) for _ in range(20)])
    assert sum(len(message.rows) for message in counter.waiting) == 20
    assert max(len(body) for body in counter.queue.bodies) <= 256 * 1024


def publisher(topic: MemoryTopic, tables: MemoryKeyValueStore) -> PredictionPublisher:
    clock = FakeClock(NOON)
    return PredictionPublisher(
        topic, Ledger(tables, clock), clock, Metrics("test"), linger_seconds=0.05
    )


def told(topic: MemoryTopic) -> list[Prediction]:
    return [p for body in topic.published for p in predictions_of(PREDICTIONS.decode(body))]


async def test_predictions_of_many_share_a_pack_and_are_durable_before_anyone_is_told() -> None:
    topic, tables = MemoryTopic(), MemoryKeyValueStore()
    to = publisher(topic, tables)
    given = [make_prediction(asset=f"P-{n}") for n in range(30)]
    await asyncio.gather(*(to.publish([(one, "")]) for one in given))
    (body,) = topic.published
    pack_id = PREDICTIONS.decode(body).id
    assert told(topic) == [replace(one, pack_id=PackId(pack_id)) for one in given]
    ledger = Ledger(tables, FakeClock(NOON))
    assert await ledger.counts(PackId(pack_id)) == {PUBLISHED_HOP: {"predictions": 30}}


async def test_packs_stay_within_their_limit_and_nothing_is_lost() -> None:
    noise = random.Random(7)
    topic = MemoryTopic()
    given = [
        make_prediction(asset=f"P-{n}", features=tuple(noise.random() for _ in range(200)))
        for n in range(300)
    ]
    await publisher(topic, MemoryKeyValueStore()).publish([(one, "") for one in given])
    assert len(topic.published) > 4
    assert max(len(body) for body in topic.published) <= PACK_LIMIT
    assert [p.asset for p in told(topic)] == [p.asset for p in given]
    ids = {PREDICTIONS.decode(body).id for body in topic.published}
    assert len(ids) == len(topic.published)


async def test_a_pack_that_the_topic_refused_fails_only_those_that_it_held() -> None:
    def refuse_large(body: str) -> str | None:
        return "InternalError" if len(body) > 2_000 else None

    topic = MemoryTopic(on_publish=refuse_large)
    to = publisher(topic, MemoryKeyValueStore())
    await to.publish([(make_prediction(), "")])
    with pytest.raises(StoreUnavailable, match="InternalError"):
        await to.publish([(make_prediction(asset=f"P-{n * 7919}"), "") for n in range(200)])
    assert len(told(topic)) == 1


def predicted(answer: Answer, threshold: float | None, *, variant: str = "v1") -> Prediction:
    return prediction_of(
        msgspec.structs.replace(frame(1), threshold=threshold), answer,
        kind=PredictionKind.CLASSIFICATION, variant=variant, is_known_version=variant == "v1",
        predicted_at=Micros(NOON),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "threshold", "decision"),
    [
        (Answer(0.8, 0.8), 0.7, True),
        (Answer(0.7, 0.7), 0.7, True),
        (Answer(0.6, 0.6), 0.7, False),
        (Answer(3.2), 3.0, True),
        (Answer(0.8, 0.8), None, None),
        (Answer(None), 0.7, None),
    ],
)
def test_the_threshold_decides_on_the_probability_else_on_the_score(
    answer: Answer, threshold: float | None, decision: bool | None
) -> None:
    assert predicted(answer, threshold).decision is decision


def test_the_variant_that_answered_is_the_version_where_it_is_one() -> None:
    assert predicted(Answer(0.5), None).model_version == "v1"
    canary = predicted(Answer(0.5), None, variant="AllTraffic")
    assert (canary.model_version, canary.variant) == ("v1", "AllTraffic")
