"""The connection to NATS: one client, which is watched, and replaced when it is beyond help.

Rules:
- It reconnects for ever, with full jitter (`connect_options`).
- A callback of ours cannot raise: nats-py would stop reconnecting (nats.py #204) or end its read
  loop (#914) without a word.
- A client that only believes that it is connected (its read loop has ended) is found by `watch`:
  a round trip that must come back. Two that do not, and the client is replaced by a new one; so is
  one that was closed for good, as errors of the server do, or whose reconnection has died; and
  one that looks for servers while the file of addresses names others.
- A round trip that is late is never cancelled: its answer would end the read loop.
- On a close of ours nothing is reported: it is wanted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from imagedrift_runtime import metrics
from imagedrift_runtime.health import Health
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.client import Client
from imagedrift_runtime.nats.complaints import Complaints
from imagedrift_runtime.nats.connect_options import ConnectOptions, jitter
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.nats.nats_py import nats
from imagedrift_runtime.nats.remedies import with_remedy

log = get_logger()

CALL_WITHIN_S = 5.0
PROBE_EVERY_S = 15.0
CLOSE_WITHIN_S = 3.0
PART = "nats"
"""The part of a service's health that tells of the connection."""

_FOR_EVER_S = 10_000_000


class Connection:
    """A client of NATS that is watched and, at need, replaced."""

    def __init__(
        self,
        options: ConnectOptions,
        health: Health | None = None,
        probe_every_s: float = PROBE_EVERY_S,
        call_within_s: float = CALL_WITHIN_S,
    ) -> None:
        self.health = health
        self.call_within_s = call_within_s
        self.client: Any = None
        self.js: Any = None
        self.when_replaced: list[Callable[[], Awaitable[None]]] = []
        """The work to do on a new client: subscribe again."""
        self.lost = asyncio.Event()
        """Set when this connection is lost. The next one has an event of its own."""
        self._options = options
        self._opened_by = options
        self._probe_every_s = probe_every_s
        self._complaints = Complaints()
        self._quiet = False
        self._rounds: set[asyncio.Task[float]] = set()

    @property
    def is_connected(self) -> bool:
        """Tell whether the client has a server now."""
        return bool(self.client.is_connected)

    async def open(self) -> None:
        """Connect a new client. Raises `NoBus` when no server lets us in within the bound."""
        options = self._opened_by = self._options.read()
        client = Client(demands_tls=options.demands_tls, has_own_ca=bool(options.ca))
        began = time.monotonic()
        self._quiet = False
        # nats-py can swallow a cancellation in the middle of an attempt: so it is not waited for.
        connecting = asyncio.create_task(self._connect(client, options))
        connecting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            await asyncio.wait({connecting}, timeout=self._options.within_s)
            if not connecting.done():
                raise TimeoutError
            connecting.result()
        except Exception as error:  # of many kinds: of sockets, TLS, credentials, the protocol
            connecting.cancel()
            await self._give_up(client)
            reason = with_remedy(self.reason(error, began))
            raise NoBus(f"no NATS at {options}: {reason}") from error
        except BaseException:
            connecting.cancel()
            await self._give_up(client)
            raise
        self.client = client
        self.js = client.jetstream(timeout=self.call_within_s)
        self._tell_ready()

    async def close(self) -> None:
        """Send all that waits, and close. Never fails, never reports."""
        if self.is_connected:
            with suppress(TimeoutError, nats.errors.Error):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await self.client.flush()
        await self._give_up(self.client)

    async def probe(self) -> None:
        """Make a round trip to the server. Raises `NoBus` when none comes back."""
        began = time.monotonic()
        trip = asyncio.create_task(self.client.rtt(_FOR_EVER_S))
        self._rounds.add(trip)
        trip.add_done_callback(self._rounds.discard)
        await asyncio.wait({trip}, timeout=self.call_within_s)
        error: BaseException | None = TimeoutError("nothing came back")
        if trip.done():
            error = None if trip.cancelled() else trip.exception()
        if error:
            raise NoBus(f"NATS does not answer: {self.reason(error, began)}") from error

    async def watch(self) -> None:
        """Probe for ever, and replace a client that fails twice."""
        while True:
            await asyncio.sleep(self._probe_every_s)
            try:
                if _is_reconnecting(self.client):
                    is_lost = self._has_moved()
                else:
                    is_lost = await self._is_lost()
                if is_lost:
                    await self._replace()
            except Exception:
                log.exception("nats.watch_failed")

    def complaint(self, since: float) -> str:
        """Join the complaints since a moment (monotonic), each once."""
        return self._complaints.since(since)

    def reason(self, error: BaseException, since: float) -> str:
        """Put an error into words, with the complaints of the server meanwhile."""
        silence = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        text = str(error) or silence
        complaint = self.complaint(since)
        return f"{text} ({complaint})" if complaint and complaint != text else text

    async def _connect(self, client: Client, options: ConnectOptions) -> None:
        await client.connect(**options.for_client(), **self._callbacks())

    def _has_moved(self) -> bool:
        """Tell whether the file of addresses says others than those by which this was opened."""
        try:
            return self._options.read().urls != self._opened_by.urls
        except NoBus as error:
            log.warning("nats.addresses_kept", error=str(error))
            return False

    async def _is_lost(self) -> bool:
        for _ in range(2):
            try:
                await self.probe()
            except NoBus as error:
                self._tell_failed(str(error))
                log.warning("nats.probe_failed", error=str(error))
            else:
                self._tell_ready()
                return False
        return not _is_reconnecting(self.client)

    async def _replace(self) -> None:
        await self._give_up(self.client)
        failures = 0
        while True:
            try:
                await self.open()
                break
            except NoBus as error:
                failures += 1
                log.warning("nats.connect_failed", error=str(error))
                await asyncio.sleep(jitter(failures))
        for again in self.when_replaced:
            await again()
        metrics.reconnects.add(how="replaced")
        log.warning("nats.replaced")

    async def _give_up(self, client: Any) -> None:
        """Close a client that is not used again: what it has to say of that is no news."""
        self._quiet = True
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await client.close()
        for trip in self._rounds:
            trip.cancel()

    def _callbacks(self) -> dict[str, Callable[..., Awaitable[None]]]:
        return {
            "error_cb": _cannot_raise(self._on_error),
            "disconnected_cb": _cannot_raise(self._on_disconnected),
            "reconnected_cb": _cannot_raise(self._on_reconnected),
            "closed_cb": _cannot_raise(self._on_closed),
        }

    async def _on_error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        is_news = self._complaints.add(text, time.monotonic())
        if is_news and not self._quiet:
            log.warning("nats.complained", error=text)

    async def _on_disconnected(self) -> None:
        self.lost.set()
        self.lost = asyncio.Event()
        if not self._quiet:
            log.warning("nats.disconnected")
            self._tell_failed("disconnected")

    async def _on_reconnected(self) -> None:
        for trip in self._rounds:  # they were of the connection before
            trip.cancel()
        metrics.reconnects.add(how="reconnected")
        log.info("nats.reconnected")
        self._tell_ready()

    async def _on_closed(self) -> None:
        if not self._quiet:
            why = str(self.client.last_error or "no reason given")
            log.error("nats.closed", error=why)
            self._tell_failed(f"closed for good: {why}")

    def _tell_ready(self) -> None:
        if self.health:
            self.health.ready(PART)

    def _tell_failed(self, reason: str) -> None:
        if self.health:
            self.health.failed(PART, reason)


def _cannot_raise(callback: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def guarded(*arguments: Any) -> None:
        try:
            await callback(*arguments)
        except Exception:
            with suppress(Exception):  # the log may be what fails
                log.exception("callback.failed")

    return guarded


def _is_reconnecting(client: Any) -> bool:
    """Tell whether the client is at work on it: its task can have died and left the state."""
    task = client._reconnection_task
    return bool(client.is_reconnecting and task is not None and not task.done())
