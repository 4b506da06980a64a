"""Fetching from a durable consumer, through every failure of NATS.

Rules:
- Nothing to do is a time-out, of either kind; nats' own derives from the builtin one.
- A failed fetch backs off with jitter: a loop without that spins thousands of times a second.
- Nothing is fetched while disconnected: the client would keep the requests, and send them all at
  once on its return. A fetch that was under way is given up: the server has forgotten it.
- A fetch may bring more than was asked for, what came late for the one before: it is held back.
- What is wrong is said in health and log, with what to do about it; and it is said when it is over.
- On leaving, the subscription is ended (nats' own drain would wait for it) and what was delivered
  and not begun is given back, so that another replica gets it at once.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from msgspec import Struct

from imagedrift_runtime import metrics
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.consumer_lag import EVERY_S, reporting
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.nats.nats_py import nats
from imagedrift_runtime.nats.standing_pull import StandingPull, is_delivery
from imagedrift_runtime.nats.topology import PROGRESS_EVERY_S
from imagedrift_runtime.waiting import backoff, first_result_or, wait

log = get_logger()

REPLY_TOKENS = 9
"""Tokens in the reply subject of a message, in the format that nats-py reads everywhere."""
UNPINNED = (
    "the server writes version 2 acknowledgement subjects, which nats-py reads only in part: "
    "set `feature_flags { js_ack_fc_v2: false, js_api_reply_v2: false }` in its configuration"
)

Pause = Callable[[asyncio.Event, float], Awaitable[object]]
"""Waits so many seconds, unless the event is set before."""


class PullLimits(Struct, frozen=True, kw_only=True):
    """How long a fetch waits and how much it brings, and when a defect is tried again."""

    within_s: float = 5.0
    gather_s: float = 0.0
    """A fetch is complete, too, when for so long no message came. 0: with the first messages."""
    most_bytes: int = 0
    """The most bytes of a fetch, unless a single message is larger. 0: no bound."""
    defect_again_s: float = 30.0
    rest_s: float = 0.1
    """How long nothing is fetched after a batch that is all to be delivered again."""
    lag_every_s: float = EVERY_S
    progress_every_s: float = PROGRESS_EVERY_S


ANY: Final = PullLimits()


class Fetch:
    """Brings messages of one consumer. Called with how many; gives at most that many."""

    def __init__(
        self,
        bus: Bus,
        stream: str,
        consumer: str,
        stopping: asyncio.Event,
        limits: PullLimits = ANY,
        pause: Pause = wait,
    ) -> None:
        self._limits = limits
        self._pause = pause
        self._bus = bus
        self._connection = bus._connection
        self._stream = stream
        self._consumer = consumer
        self._stopping = stopping
        self._part = f"{stream}/{consumer}"
        self._subscription: Any = None
        self._pull: StandingPull | None = None
        self._held: list[Any] = []
        self._failures = 0
        self._checked = False
        metrics.handled.begin(stream=stream)
        metrics.fetch_failures.begin(stream=stream)

    async def __call__(self, most: int) -> list[Any]:
        """Wait for messages. None after a while, when stopping, or when NATS fails."""
        if self._held:
            return self._let_go(most)
        if not self._connection.is_connected:
            await self._pause(self._stopping, random.uniform(0.1, 0.5))  # noqa: S311 - no secret
            return []
        began = time.monotonic()
        try:
            self._held = await self._fetched(most)
        except TimeoutError:
            if complaint := self._is_forbidden(began):
                await self._failed(complaint)
                return []
        except Exception as error:
            await self._failed(await self._diagnosis(error))
            return []
        self._worked()
        return self._let_go(most)

    def waiting(self) -> list[Any]:
        """Return the messages that were delivered and not begun."""
        return self._held + (self._pull.waiting() if self._pull else [])

    async def leave(self) -> None:
        """End the subscription, and give back the messages that were not begun."""
        if self._pull:
            self._held += filter(is_delivery, self._pull.take_waiting())
        for message in self._held:
            with suppress(nats.errors.Error):
                await message.nak()
        await self._unsubscribe()

    async def _fetched(self, most: int) -> list[Any]:
        if self._pull is None:
            self._subscription = await self._connection.js.pull_subscribe_bind(
                durable=self._consumer, stream=self._stream
            )
            self._pull = StandingPull(
                self._connection.client,
                self._subscription,
                self._limits.gather_s,
                self._limits.most_bytes,
            )
        lost = self._connection.lost
        messages = await first_result_or(
            self._pull.fetch(most, self._limits.within_s), self._stopping, lost
        )
        if lost.is_set():
            self._pull.forget()
        return messages

    def _let_go(self, most: int) -> list[Any]:
        now, self._held = self._held[:most], self._held[most:]
        if now and not self._checked:
            self._checked = True
            if len(now[0].reply.split(".")) != REPLY_TOKENS:
                log.error("server.unpinned", stream=self._stream, error=UNPINNED)
        return now

    def _worked(self) -> None:
        if self._failures:
            log.info("fetch.recovered", stream=self._stream, consumer=self._consumer)
        self._failures = 0
        if self._bus.health:
            self._bus.health.ready(self._part)

    async def _failed(self, reason: str) -> None:
        self._failures += 1
        metrics.fetch_failures.add(stream=self._stream)
        log.warning("fetch.failed", stream=self._stream, consumer=self._consumer, error=reason)
        if self._bus.health:
            self._bus.health.failed(self._part, reason)
        await self._unsubscribe()
        await self._pause(self._stopping, backoff(self._failures))

    async def _diagnosis(self, error: Exception) -> str:
        """Find the cause of a failed fetch: a missing consumer is no different from no answer."""
        if self._connection.is_connected:
            try:
                await self._bus.lag(self._stream, self._consumer)
            except NoBus as missing:
                return str(missing)
        return str(error) or repr(error)

    def _is_forbidden(self, since: float) -> str:
        """Tell whether nothing came because the server does not let us ask, and its words."""
        complaint = self._connection.complaint(since).lower()
        ours = f"next.{self._part.replace('/', '.')}".lower()
        inbox = self._subscription._deliver.lower() if self._subscription else ours
        is_ours = "permissions" in complaint and (ours in complaint or inbox in complaint)
        return complaint if is_ours else ""

    async def _unsubscribe(self) -> None:
        subscription, self._subscription, self._pull = self._subscription, None, None
        if subscription is not None:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()


@asynccontextmanager
async def fetching(
    bus: Bus,
    stream: str,
    consumer: str,
    stopping: asyncio.Event,
    limits: PullLimits = ANY,
) -> AsyncIterator[Fetch]:
    """Fetch from a consumer for the length of the context."""
    fetch = Fetch(bus, stream, consumer, stopping, limits)
    try:
        async with reporting(bus, stream, consumer, limits.lag_every_s):
            yield fetch
    finally:
        await fetch.leave()
