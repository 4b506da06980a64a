"""Pulling from a durable consumer: the loops that call a handler and acknowledge by its outcome.

Rules:
- Only as many messages are fetched as there are free slots: what waits here cannot be handled by
  another replica.
- The outcome decides: `Done` acknowledges (twice where `sure`), `Retry` asks for a later delivery,
  `Reject` writes a dead letter and terminates.
- An exception is a defect: logged, and delivered again later. The loop never dies of it.
- A failed fetch backs off with jitter: a loop without that spins thousands of times a second.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, assert_never

import nats.errors
import nats.js.errors
import structlog
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import DeadLetter
from msgspec import Struct

from imagedrift_runtime.bus import Bus, NotPublished
from imagedrift_runtime.clock import now
from imagedrift_runtime.outcomes import Done, Outcome, Reject, Retry

log = structlog.get_logger()

FETCH_WITHIN_S = 5.0
PAYLOAD_KEPT = 64 * 1024
DEFECT_AGAIN_S = 30.0


class Delivery(Struct, frozen=True):
    """A message as it was delivered."""

    subject: str
    payload: bytes
    stream: str
    stream_seq: int
    deliveries: int
    """How many times it was delivered, this time included."""
    stored_at: datetime


Handler = Callable[[Delivery], Awaitable[Outcome]]
BatchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[Outcome]]]


async def each(
    bus: Bus,
    stream: str,
    consumer: str,
    handler: Handler,
    *,
    service: str,
    slots: int,
    stopping: asyncio.Event,
    ack_wait_s: float = 30.0,
) -> None:
    """Handle messages one by one, up to `slots` at a time, until `stopping`."""
    free = asyncio.Semaphore(slots)
    settle = _Settle(bus, service, sure=True)

    async def one(message: Any) -> None:
        try:
            async with _in_progress([message], ack_wait_s):
                outcome = await _guarded(handler, _delivery(message))
            await settle(message, outcome)
        finally:
            free.release()

    async with asyncio.TaskGroup() as tasks:
        async for messages in _fetch(bus, stream, consumer, lambda: slots, free, stopping):
            for message in messages:
                tasks.create_task(one(message))


async def batches(
    bus: Bus,
    stream: str,
    consumer: str,
    handler: BatchHandler,
    *,
    service: str,
    size: int,
    stopping: asyncio.Event,
    ack_wait_s: float = 60.0,
) -> None:
    """Handle up to `size` messages at a time, one batch after the other, until `stopping`.

    The handler returns one outcome per message, in order.
    """
    settle = _Settle(bus, service, sure=False)
    async for messages in _fetch(bus, stream, consumer, lambda: size, None, stopping):
        deliveries = [_delivery(message) for message in messages]
        async with _in_progress(messages, ack_wait_s):
            outcomes = await _guarded_batch(handler, deliveries)
        await asyncio.gather(*map(settle, messages, outcomes))


async def _fetch(
    bus: Bus,
    stream: str,
    consumer: str,
    size: Callable[[], int],
    free: asyncio.Semaphore | None,
    stopping: asyncio.Event,
) -> AsyncIterator[list[Any]]:
    """Yield non-empty lists of messages until `stopping`; take a slot of `free` for each."""
    failures = 0
    subscription = None
    while not stopping.is_set():
        taken = await _take(free, size())
        messages: list[Any] = []
        try:
            if subscription is None:
                subscription = await bus.js.pull_subscribe_bind(durable=consumer, stream=stream)
            messages = await _unless(stopping, subscription.fetch(taken, timeout=FETCH_WITHIN_S))
            failures = 0
        except TimeoutError:  # nothing to do; nats' own time-out derives from it
            failures = 0
        except (nats.errors.Error, nats.js.errors.Error, OSError) as error:
            failures += 1
            subscription = None
            log.warning("fetch.failed", stream=stream, consumer=consumer, error=repr(error))
            await _wait(stopping, _backoff(failures))
        finally:
            for _ in range(taken - len(messages) if free else 0):
                free.release()  # type: ignore[union-attr]
        if messages:
            yield messages


async def _take(free: asyncio.Semaphore | None, most: int) -> int:
    if free is None:
        return most
    await free.acquire()
    taken = 1
    while taken < most and not free.locked():
        await free.acquire()
        taken += 1
    return taken


async def _unless(stopping: asyncio.Event, fetch: Awaitable[list[Any]]) -> list[Any]:
    """Await `fetch`, but give it up when asked to stop: an unacknowledged message comes again."""
    task = asyncio.ensure_future(fetch)
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else []
    finally:
        stop.cancel()
        if not task.done():
            task.cancel()


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


def _backoff(failures: int) -> float:
    return random.uniform(0.1, min(10.0, 0.2 * 2 ** min(failures, 8)))  # noqa: S311 - no secret


def _delivery(message: Any) -> Delivery:
    meta = message.metadata
    return Delivery(
        subject=message.subject,
        payload=message.data,
        stream=meta.stream,
        stream_seq=meta.sequence.stream,
        deliveries=meta.num_delivered,
        stored_at=meta.timestamp,
    )


async def _guarded(handler: Handler, delivery: Delivery) -> Outcome:
    try:
        return await handler(delivery)
    except Exception:
        log.exception("handler.failed", subject=delivery.subject, seq=delivery.stream_seq)
        return Retry("defect", DEFECT_AGAIN_S)


async def _guarded_batch(
    handler: BatchHandler, deliveries: Sequence[Delivery]
) -> Sequence[Outcome]:
    try:
        return await handler(deliveries)
    except Exception:
        log.exception("handler.failed", subject=deliveries[0].subject, messages=len(deliveries))
        return [Retry("defect", DEFECT_AGAIN_S)] * len(deliveries)


class _Settle:
    """Turns an outcome into an acknowledgement."""

    def __init__(self, bus: Bus, service: str, *, sure: bool) -> None:
        self._bus = bus
        self._service = service
        self._sure = sure

    async def __call__(self, message: Any, outcome: Outcome) -> None:
        try:
            match outcome:
                case Done():
                    await (message.ack_sync() if self._sure else message.ack())
                case Retry():
                    await message.nak(delay=outcome.after)
                case Reject():
                    await self._bury(message, outcome)
                    await message.term()
                case _:
                    assert_never(outcome)
        except (TimeoutError, NotPublished, nats.errors.Error, nats.js.errors.Error) as error:
            # Not acknowledged: it comes again, and handling it twice is harmless.
            log.warning("acknowledgement.failed", subject=message.subject, error=repr(error))

    async def _bury(self, message: Any, outcome: Reject) -> None:
        delivery = _delivery(message)
        log.warning(
            "message.rejected", subject=delivery.subject, reason=outcome.reason, error=outcome.error
        )
        letter = DeadLetter(
            service=self._service,
            subject=delivery.subject,
            stream=delivery.stream,
            stream_seq=delivery.stream_seq,
            reason=outcome.reason,
            error=outcome.error,
            received_at=now(),
            payload=delivery.payload[:PAYLOAD_KEPT],
        )
        await self._bus.publish(subjects.dead(self._service), codec.encode(letter))


@asynccontextmanager
async def _in_progress(messages: Sequence[Any], ack_wait_s: float) -> AsyncIterator[None]:
    """Keep telling the server that the messages are being worked on."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(ack_wait_s / 3)
            for message in messages:
                try:
                    await message.in_progress()
                except nats.errors.Error as error:
                    log.warning("progress.failed", subject=message.subject, error=repr(error))

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
