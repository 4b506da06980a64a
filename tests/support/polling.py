"""Waiting for a condition: bounded, and never a sleep of fixed length."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

WITHIN_S = 30.0
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.05


async def until(condition: Callable[[], Any], what: str, *, within_s: float = WITHIN_S) -> Any:
    """Wait until `condition`, which may be awaitable, gives something true, and return it.

    The pauses grow, so that what is soon true is seen soon and what takes long is asked little.
    """
    deadline = time.monotonic() + within_s
    pause_s = FIRST_PAUSE_S
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
