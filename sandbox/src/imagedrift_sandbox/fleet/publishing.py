"""Publishing the messages of a whole fleet, over one connection."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from imagedrift_runtime.nats.bus import Bus

AT_ONCE: Final = 128


async def publish(
    bus: Bus,
    messages: Iterable[tuple[str, bytes]],
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Publish stored messages; return when each is acknowledged. So many are on their way at once.

    `progress` is called after each.
    """
    waiting = iter(messages)

    async def one_after_another() -> None:
        for subject, payload in waiting:
            await bus.publish(subject, payload)
            progress()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_another())
