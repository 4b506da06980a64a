"""Waiting for whichever comes first, and not waiting when the end has come."""

import asyncio


async def first_of(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but not longer than this."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        return


def heed_cancellation() -> None:
    """Raise the cancellation that a library kept to itself.

    `asyncio.wait_for` does until Python 3.12, when what it waits for is ready at that moment
    (cpython #86296), and nats-py waits for every reply with it.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
