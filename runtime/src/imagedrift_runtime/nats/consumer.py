"""Pulling from a durable consumer: the loops that call a handler and acknowledge by its outcome.

Rules:
- Only as many messages are fetched as there are free slots: what waits here cannot be handled by
  another replica.
- The outcome decides (`acknowledge`). An exception, or anything that is no outcome, is a defect:
  logged, and delivered again later. The loop never dies of it. A batch with a defect is handled in
  halves, down to the message that has it: the others do not wait for it.
- After a batch of which nothing could be handled the loop rests a moment: whoever has to wait may
  publish on and on, and each message is delivered.
- A message is kept from its delivery to its outcome, however long that takes (`held_messages`).
- On `stopping` nothing more is fetched, handlers finish, and their messages are acknowledged.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.acknowledge import Acknowledger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.delivery import Delivery, delivery
from imagedrift_runtime.nats.fetch import ANY, PullLimits, fetching
from imagedrift_runtime.nats.held_messages import keeping
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject, Retry
from imagedrift_runtime.waiting import wait

log = get_logger()

BATCH: Final = PullLimits(gather_s=0.005, most_bytes=4 * 1024 * 1024)

DeliveryHandler = Callable[[Delivery], Awaitable[HandlerOutcome]]
BatchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[HandlerOutcome]]]


async def handle_each(
    bus: Bus,
    stream: str,
    consumer: str,
    handler: DeliveryHandler,
    *,
    service: str,
    slots: int,
    stopping: asyncio.Event,
    limits: PullLimits = ANY,
) -> None:
    """Handle messages one by one, up to `slots` at a time, until `stopping`."""
    free = asyncio.Semaphore(slots)
    acknowledge = Acknowledger(bus, service)

    async def one(message: Any) -> None:
        try:
            with held.handling([message]):
                outcome = await _guarded(handler, delivery(message), limits)
            await acknowledge(message, outcome)
        finally:
            free.release()

    async with (
        keeping(bus, limits.progress_every_s) as held,
        asyncio.TaskGroup() as tasks,
        fetching(bus, stream, consumer, stopping, limits) as fetch,
    ):
        held.waiting = fetch.waiting
        while not stopping.is_set():
            taken = await _take(free, slots)
            messages = [] if stopping.is_set() else await fetch(taken)
            for message in messages:
                tasks.create_task(one(message))
            for _ in range(taken - len(messages)):
                free.release()


async def handle_batches(
    bus: Bus,
    stream: str,
    consumer: str,
    handler: BatchHandler,
    *,
    service: str,
    size: int,
    stopping: asyncio.Event,
    limits: PullLimits = BATCH,
) -> None:
    """Handle up to `size` messages at a time, and bytes within a bound, until `stopping`.

    The handler returns one outcome per message, in order.
    """
    acknowledge = Acknowledger(bus, service)
    async with (
        keeping(bus, limits.progress_every_s) as held,
        fetching(bus, stream, consumer, stopping, limits) as fetch,
    ):
        held.waiting = fetch.waiting
        while not stopping.is_set():
            messages = await fetch(size)
            if not messages:
                continue
            with held.handling(messages):
                outcomes = await _guarded_batch(handler, [*map(delivery, messages)], limits)
            await asyncio.gather(*map(acknowledge, messages, outcomes))
            if all(isinstance(outcome, Retry) for outcome in outcomes):
                await wait(stopping, limits.rest_s)


async def _take(free: asyncio.Semaphore, most: int) -> int:
    """Take every free slot, and wait for one when there is none."""
    await free.acquire()
    taken = 1
    while taken < most and not free.locked():
        await free.acquire()
        taken += 1
    return taken


async def _guarded(
    handler: DeliveryHandler, message: Delivery, limits: PullLimits
) -> HandlerOutcome:
    try:
        outcome = await handler(message)
        _must_be_outcomes([outcome])
    except Exception:
        log.exception("handler.failed", subject=message.subject, seq=message.stream_seq)
        return Retry("defect", limits.defect_again_s)
    return outcome


async def _guarded_batch(
    handler: BatchHandler, messages: Sequence[Delivery], limits: PullLimits
) -> Sequence[HandlerOutcome]:
    try:
        outcomes = await handler(messages)
        _must_be_outcomes(outcomes)
        if len(outcomes) != len(messages):
            raise TypeError(f"{len(outcomes)} outcomes for {len(messages)} messages")
    except Exception:
        log.exception("handler.failed", subject=messages[0].subject, messages=len(messages))
        middle = len(messages) // 2
        if not middle:
            return [Retry("defect", limits.defect_again_s)]
        halves = messages[:middle], messages[middle:]
        return [
            outcome for half in halves for outcome in await _guarded_batch(handler, half, limits)
        ]
    return outcomes


def _must_be_outcomes(outcomes: Sequence[object]) -> None:
    for outcome in outcomes:
        if not isinstance(outcome, (Done, Retry, Reject)):
            raise TypeError(f"a handler returns Done, Retry or Reject, not {outcome!r}")
