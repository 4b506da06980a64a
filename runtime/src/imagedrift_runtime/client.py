"""nats-py's client, which heeds a cancellation that comes together with a reply.

`asyncio.wait_for`, with which nats-py awaits every reply, keeps it to itself until Python 3.12
(cpython #86296). A loop that was told to end would then go on. Everything that awaits a reply of
the server passes here: storing, managing, acknowledging for sure, requests.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imagedrift_runtime.nats_py import nats


class Client(nats.aio.client.Client):  # type: ignore[misc]  # nats-py has no types
    """A client of NATS."""

    async def request(self, *arguments: Any, **options: Any) -> Any:
        """Ask, and wait for the reply."""
        with heeding_cancellation():
            return await super().request(*arguments, **options)


@contextmanager
def heeding_cancellation() -> Iterator[None]:
    """Raise the cancellation that arrived meanwhile, if what is awaited here kept it to itself.

    One of before is none of ours: who tidies up after it can still speak to NATS.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
