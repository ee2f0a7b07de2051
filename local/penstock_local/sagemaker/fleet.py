"""The running variants of one deployment, and which of them a request goes to."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from penstock_local.sagemaker.records import Deployment
from penstock_local.sagemaker.tools import Tools
from penstock_local.sagemaker.variant import Variant, VariantFailedError


def choose_variant(weights: Sequence[tuple[str, float]], draw: float) -> str:
    """Pick by weight with a draw from [0, 1). Where all weights are zero, all are alike."""
    total = sum(weight for _, weight in weights)
    if total <= 0:
        return weights[int(draw * len(weights))][0]
    reached = 0.0
    for name, weight in weights:
        reached += weight
        if draw * total < reached:
            return name
    # Rounding left the draw just above the sum: the last one that has any weight.
    return [name for name, weight in weights if weight > 0][-1]


class Fleet:
    """One process per variant, whatever its instance count."""

    def __init__(self, deployment: Deployment, *, endpoint: str, root: Path, tools: Tools) -> None:
        self._folder = root / endpoint / deployment.id
        self._tools = tools
        self.weights = weights_of(deployment)
        self._variants = {
            plan.name: Variant(
                plan, endpoint=endpoint, folder=self._folder / plan.name, tools=tools
            )
            for plan in deployment.variants
        }

    @property
    def variants(self) -> Mapping[str, Variant]:
        return self._variants

    async def start(self) -> None:
        """Bring all variants into service; if one cannot, none is left running."""
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.stop, self._tools.settings.shutdown_grace_seconds)
            await self._start_all()
            undo.pop_all()

    async def retire(self, drain_seconds: float) -> None:
        """Finish what is being answered, stop, and remove the models from disk."""
        await asyncio.gather(*(v.drain(drain_seconds) for v in self._variants.values()))
        await self.stop(self._tools.settings.serving_stop_seconds)
        await self.remove()

    async def stop(self, grace_seconds: float) -> None:
        await asyncio.gather(*(v.stop(grace_seconds) for v in self._variants.values()))

    async def remove(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def choose(self, draw: float) -> Variant:
        return self._variants[choose_variant(self.weights, draw)]

    async def _start_all(self) -> None:
        failed: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for variant in self._variants.values():
                    group.create_task(variant.start(), name=f"start {variant.name}")
        except* VariantFailedError as errors:
            failed = errors.exceptions[0]
        if failed is not None:
            raise VariantFailedError(str(failed)) from failed


def weights_of(deployment: Deployment) -> list[tuple[str, float]]:
    return [(plan.name, plan.weight) for plan in deployment.variants]
