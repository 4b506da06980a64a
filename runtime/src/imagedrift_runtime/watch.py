"""Watching the newest value of every key of a bucket, by a pull consumer of our own.

The consumer is made for the purpose, kept in the server's memory, and gone a while after its last
fetch. When it is lost, as with a restarted server, it is made anew and tells every key once more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from imagedrift_runtime.answers import Entry
from imagedrift_runtime.nats_py import nats
from imagedrift_runtime.soon import Soon
from imagedrift_runtime.waiting import backoff, unless, wait

if TYPE_CHECKING:
    from imagedrift_runtime.bus import Bus

log = structlog.get_logger()

BATCH = 256
FETCH_WITHIN_S = 5.0
GONE_AFTER_S = 30.0

Watcher = Callable[[str, Entry | None], Awaitable[None]]


async def watch(
    bus: "Bus", stream: str, prefix: str, handler: Watcher, stopping: asyncio.Event
) -> None:
    """Call `handler` with (key, entry) until `stopping`. What it raises is logged."""
    failures = 0
    while not stopping.is_set():
        try:
            made = await bus.js.add_consumer(stream, _consumer(prefix))
            failures = 0
            await _follow(bus, stream, made.name, _telling(prefix, handler), stopping)
        except (TimeoutError, OSError, nats.errors.Error, nats.js.errors.Error) as error:
            failures += 1
            log.warning("watch.failed", stream=stream, error=repr(error))
            await wait(stopping, backoff(failures))


async def _follow(
    bus: "Bus",
    stream: str,
    consumer: str,
    tell: Callable[[Any], Awaitable[None]],
    stopping: asyncio.Event,
) -> None:
    subscription = await bus.js.pull_subscribe_bind(consumer=consumer, stream=stream)
    soon = Soon(bus.client, subscription)
    try:
        while not stopping.is_set():
            lost = bus.link.lost
            if not bus.client.is_connected:
                await wait(stopping, 0.2)
                continue
            with suppress(TimeoutError):  # nothing changed
                for message in await unless(soon.fetch(BATCH, FETCH_WITHIN_S), stopping, lost):
                    await tell(message)
            if lost.is_set():
                soon.forget()
    finally:
        with suppress(nats.errors.Error):
            await subscription.unsubscribe()


def _telling(prefix: str, handler: Watcher) -> Callable[[Any], Awaitable[None]]:
    async def tell(message: Any) -> None:
        key = message.subject.removeprefix(prefix)
        entry = Entry(message.data, message.metadata.sequence.stream)
        try:
            await handler(key, None if is_marker(message.headers) else entry)
        except Exception:
            log.exception("watcher.failed", key=key)

    return tell


def _consumer(prefix: str) -> Any:
    api = nats.js.api
    return api.ConsumerConfig(
        deliver_policy=api.DeliverPolicy.LAST_PER_SUBJECT,
        ack_policy=api.AckPolicy.NONE,
        filter_subject=f"{prefix}>",
        inactive_threshold=GONE_AFTER_S,
        mem_storage=True,
        num_replicas=1,
    )


def is_marker(headers: Any) -> bool:
    """Tell whether a message stands for a value that is gone: deleted, purged or expired."""
    return bool(headers) and (
        headers.get("KV-Operation") in ("DEL", "PURGE") or bool(headers.get("Nats-Marker-Reason"))
    )
