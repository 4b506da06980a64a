"""A task that is cancelled while it waits for NATS ends, even if the reply comes at that moment."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.client import heeding_cancellation
from support.nats_bus import OwnStream

Call = Callable[[Bus, OwnStream], Awaitable[object]]


class CancelledWithTheReply(dict[str, "asyncio.Future[Any]"]):
    """Awaited replies, by token: whoever awaits one is cancelled in the moment it comes."""

    def __setitem__(self, token: str, reply: "asyncio.Future[Any]") -> None:
        """Await a reply."""
        super().__setitem__(token, reply)
        if task := asyncio.current_task():
            reply.add_done_callback(lambda _: task.cancel())


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda bus, own: bus.publish(f"{own.subject}.a", b"x"), id="stored"),
        pytest.param(lambda bus, _: bus.publish("nowhere.at.all", b"x"), id="refused"),
        pytest.param(lambda bus, own: bus.lag(own.name, own.consumer), id="managed"),
        pytest.param(lambda bus, _: bus.request("nobody.serves.it", b""), id="asked"),
    ],
)
async def test_a_cancellation_that_comes_with_the_reply_is_heeded(
    bus: Bus, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.wait_for` of Python 3.11 keeps it to itself (cpython #86296)."""
    own = await OwnStream.make(bus)
    went_on = False

    async def caller() -> None:
        nonlocal went_on
        await call(bus, own)
        went_on = True

    with monkeypatch.context() as patched:
        patched.setattr(bus.client, "_resp_map", CancelledWithTheReply())
        task = asyncio.create_task(caller())
        await asyncio.wait({task})

    assert task.cancelled()
    assert not went_on


async def test_what_is_done_after_a_cancellation_is_done(bus: Bus) -> None:
    """A task that tidies up when it was cancelled can still speak to NATS."""
    own = await OwnStream.make(bus)
    tidied: list[object] = []

    async def caller() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            tidied.append(await bus.publish(f"{own.subject}.a", b"x"))
            tidied.append(await bus.lag(own.name, own.consumer))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    assert len(tidied) == 2


async def test_a_time_limit_that_a_library_keeps_to_itself_is_a_time_out() -> None:
    """A time limit cancels, too: it ends as the time-out that it is."""

    async def kept() -> None:
        async with asyncio.timeout(0.01):
            with heeding_cancellation(), suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await kept()
