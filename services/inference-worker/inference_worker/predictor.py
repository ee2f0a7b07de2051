"""Asks the models: rows of many messages, each to the bulkhead of its endpoint."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial

from penstock.channels.deferred import FrameRow
from penstock.model_type import ModelType
from penstock.ports import Clock, ModelHost
from penstock.runtime.tracing import NO_TRACING, Tracing

from inference_worker.asking import Asker, Deferred, Outcome, RetryLimits
from inference_worker.bound import Target
from inference_worker.bulkhead import Bulkhead, Lane, Patience
from inference_worker.context import Models
from inference_worker.gate import Gate, GateLimits

_BYTES_PER_NUMBER = 25
"""A float written out takes at most 24 characters, and a comma."""


class Predictor:
    """One bulkhead per endpoint, made when the endpoint is first asked."""

    def __init__(
        self,
        host: ModelHost,
        model_types: Mapping[str, ModelType],
        clock: Clock,
        *,
        gate: GateLimits | None = None,
        retries: RetryLimits | None = None,
        patience: Patience | None = None,
        jitter: random.Random | None = None,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        """Keep the limits that every endpoint gets."""
        self._host = host
        self._model_types = model_types
        self._clock = clock
        self._gate_limits = gate or GateLimits()
        self._retries = retries or RetryLimits()
        self._patience = patience or Patience()
        self._jitter = jitter or random.Random()  # noqa: S311 -- spreads retries, keeps no secret
        self._tracing = tracing
        self._bulkheads: dict[Target, Bulkhead] = {}

    async def predict(
        self, rows: Sequence[FrameRow], models: Models, *, lane: Lane = "live"
    ) -> list[Outcome]:
        """Tell of each row what became of it, in their order."""
        outcomes: list[Outcome] = [Deferred("not asked")] * len(rows)
        positions: dict[Bulkhead, list[int]] = {}
        for position, row in enumerate(rows):
            bulkhead = self._bulkhead_of(row, models)
            if bulkhead is None:
                outcomes[position] = Deferred(_unknown(row))
            else:
                positions.setdefault(bulkhead, []).append(position)
        asking = [bulkhead.ask([rows[p] for p in own], lane) for bulkhead, own in positions.items()]
        # Nearly always there is one, which needs no task of its own.
        told = [await asking[0]] if len(asking) == 1 else await asyncio.gather(*asking)
        for own, answers in zip(positions.values(), told, strict=True):
            for position, outcome in zip(own, answers, strict=True):
                outcomes[position] = outcome
        return outcomes

    async def close(self) -> None:
        """End the calls in flight."""
        for bulkhead in self._bulkheads.values():
            await bulkhead.close()

    def _bulkhead_of(self, row: FrameRow, models: Models) -> Bulkhead | None:
        version = models.find(row.model, row.model_version)
        if version is None or version.algorithm not in self._model_types:
            return None
        # Not the version: while the weights decide, all versions share the endpoint's calls.
        target = Target(row.model, "", version.algorithm, row.endpoint, row.variant)
        bulkhead = self._bulkheads.get(target)
        if bulkhead is None:
            bulkhead = self._bulkheads[target] = self._open(target)
        return bulkhead

    def _open(self, target: Target) -> Bulkhead:
        model_type = self._model_types[target.algorithm]
        gate = Gate(self._gate_limits, now=time.monotonic, jitter=self._jitter)
        asker = Asker(
            target, model_type, self._host, gate, self._clock,
            retries=self._retries, jitter=self._jitter, tracing=self._tracing,
        )  # fmt: skip
        return Bulkhead(
            target.endpoint,
            asker.ask,
            gate,
            rows_that_fit=partial(_rows_that_fit, model_type.max_payload_bytes),
            patience=self._patience,
        )


def _rows_that_fit(payload_bytes: int, width: int) -> int:
    return max(1, payload_bytes // (_BYTES_PER_NUMBER * max(1, width)))


def _unknown(row: FrameRow) -> str:
    return f"version {row.model_version} of model {row.model} is not known here (yet)"
