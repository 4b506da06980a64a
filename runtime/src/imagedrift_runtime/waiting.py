"""Waiting that ends early when something happens."""

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


def backoff(failures: int) -> float:
    """Draw a wait before the next try: never none, and longer the more have failed."""
    return random.uniform(0.1, min(10.0, 0.2 * 2 ** min(failures, 8)))  # noqa: S311 - no secret
