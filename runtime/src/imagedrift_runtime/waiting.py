"""Waiting that ends when asked to stop."""

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, unless asked to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


async def unless(stopping: asyncio.Event, fetch: Awaitable[list[Any]]) -> list[Any]:
    """Await `fetch`, but give it up when asked to stop: an unacknowledged message comes again."""
    task = asyncio.ensure_future(fetch)
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() and not task.cancelled() else []
    finally:
        stop.cancel()
        if not task.done():
            task.cancel()


def backoff(failures: int) -> float:
    """Draw a wait before the next try: never none, and longer the more have failed."""
    return random.uniform(0.1, min(10.0, 0.2 * 2 ** min(failures, 8)))  # noqa: S311 - no secret
