"""Many waits at a time, but bounded, and with one plain error at the end."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def gather_all(work: Iterable[Coroutine[Any, Any, T]], *, at_once: int) -> list[T]:
    """Run all, at most `at_once` at a time; answer in order, or raise the first error in order.

    All have ended when it returns or raises. (A task group would cancel the others and wrap the
    error, and the consumer decides by its family.)
    """
    gate = asyncio.Semaphore(at_once)

    async def run(one: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await one

    results = await asyncio.gather(*(run(one) for one in work), return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done
