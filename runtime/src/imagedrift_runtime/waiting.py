"""Waiting that ends early when something happens."""

import asyncio
import random
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, unless asked to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


async def wait_for_any(seconds: float, *events: asyncio.Event) -> None:
    """Sleep until the time is over or one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


async def first_result_or(fetch: Awaitable[list[Any]], *events: asyncio.Event) -> list[Any]:
    """Await `fetch`, but give it up at an event: an unacknowledged message comes again."""
    task = asyncio.ensure_future(fetch)
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait({task, *waits}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() and not task.cancelled() else []
    finally:
        for each in (task, *waits):
            each.cancel()


async def given_up_at(event: asyncio.Event, work: Coroutine[Any, Any, T], otherwise: T) -> T:
    """Await `work`, but cancel it at an event; the result is `otherwise` then."""
    task, waiting = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        return otherwise if task.cancelled() else task.result()
    finally:
        task.cancel()
        waiting.cancel()


def backoff(failures: int) -> float:
    """Draw a wait before the next try: never none, and longer the more have failed."""
    return random.uniform(0.1, min(10.0, 0.2 * 2 ** min(failures, 8)))  # noqa: S311 - no secret
