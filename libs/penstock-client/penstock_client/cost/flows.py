"""How many messages, objects and bytes a load makes: grouping that follows the rate.

The constants say what a reading and a prediction weigh; where each comes from stands beside it.
"""

import math
from dataclasses import dataclass

from penstock_client.cost.workload import Deployment

KIB = 1024
GB = 1e9
BILLED_BYTES = 64 * KIB
"""SNS and SQS bill each request per begun 64 KiB."""
PACK_BYTES = 60 * KIB
"""What a pack may weigh, so that one publish is one billed unit."""
PACK_FIXED_BYTES = 450
"""A pack with nearly nothing in it: envelope, dictionaries, base64."""
READING_BYTES = 14
"""One reading in a pack: columns, zstd, base64, distinct values."""
RECEIVE_SECONDS = 0.02
"""A round trip to SQS, in which further messages gather: an assumption."""
_PREDICTION_BYTES = 65
_FEATURE_BYTES = 4
"""A prediction in a pack, and each of its features, measured with distinct values."""


@dataclass(frozen=True, slots=True)
class Packs:
    """Messages of one topic: how many a second, and how heavy."""

    per_second: float
    bytes_per_second: float

    @property
    def size(self) -> float:
        """Bytes of one."""
        return self.bytes_per_second / self.per_second if self.per_second else 0.0


def grouped_per_second(arrivals_per_second: float, linger_seconds: float) -> float:
    """Groups a second where each first arrival waits `linger_seconds` for company."""
    if arrivals_per_second <= 0:
        return 0.0
    return 1 / (1 / arrivals_per_second + linger_seconds)


def reading_packs(deployment: Deployment) -> Packs:
    """Packs of topic `readings`: grouped by the linger of each task, split by their size."""
    load = deployment.load
    tasks = deployment.running("ingest-api")
    linger = deployment.setting("commit_linger_seconds")
    flushes = tasks * grouped_per_second(load.bodies_per_second / tasks, linger)
    return _packed(flushes, load.readings_per_second * READING_BYTES)


def prediction_packs(deployment: Deployment) -> Packs:
    """Packs of topic `predictions`: what one task predicts within its linger is one pack."""
    load = deployment.load
    tasks = deployment.running("inference-worker")
    linger = deployment.setting("publish_linger_seconds")
    batches = reading_packs(deployment).per_second if load.predictions_per_second else 0.0
    flushes = tasks * grouped_per_second(batches / tasks, linger)
    return _packed(flushes, load.predictions_per_second * prediction_bytes(load.tags_per_asset))


def prediction_bytes(features: int) -> float:
    """Bytes of one prediction with its features, one per tag."""
    return _PREDICTION_BYTES + _FEATURE_BYTES * features


def objects_per_second(
    packs: Packs, *, tasks: int, age_seconds: float, most_bytes: float = math.inf
) -> float:
    """Batches that a sink writes: closed by age, or by size where that is sooner."""
    by_age = tasks * grouped_per_second(packs.per_second / tasks, age_seconds)
    return max(by_age, packs.bytes_per_second / most_bytes)


def receives_per_second(packs: Packs, *, pollers: int) -> float:
    """Billed units of receiving every pack: up to ten a call, each begun 64 KiB of it a unit."""
    calls = pollers * grouped_per_second(packs.per_second / pollers, RECEIVE_SECONDS)
    return max(calls, packs.per_second / 10, packs.bytes_per_second / BILLED_BYTES)


def empty_receives_per_second(
    packs_per_second: float, *, pollers: int, wait_seconds: float
) -> float:
    """Long polls that end with nothing: one per wait where nothing comes, none where much does."""
    expected = packs_per_second / pollers * wait_seconds
    if expected == 0:
        return pollers / wait_seconds
    if expected > 700:  # beyond it exp() is nothing anyway
        return 0.0
    return packs_per_second * math.exp(-expected) / -math.expm1(-expected)


def _packed(flushes_per_second: float, content_per_second: float) -> Packs:
    if not flushes_per_second:
        return Packs(0.0, 0.0)
    fixed = flushes_per_second * PACK_FIXED_BYTES
    bytes_per_second = fixed + content_per_second
    return Packs(max(flushes_per_second, bytes_per_second / PACK_BYTES), bytes_per_second)
