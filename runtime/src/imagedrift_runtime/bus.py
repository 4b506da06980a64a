"""The connection to NATS: the one place, with `pull` and `streams`, that knows nats-py.

What is handled here, once:
- Reconnects for ever, with full jitter; a callback of ours can never raise, as that would end
  reconnection or the whole read loop without a word (nats.py #204, #914).
- A dead peer is found by pings every 20 s; `Bus.probe` finds a client that only believes that it
  is connected (its read loop ended): a round trip that must come back.
- `publish_async` is not used: futures in flight at a disconnect never resolve.
- A refused publish permission shows only as a time-out, with the reason in the error callback;
  `NotPublished` carries the last such reason.
- Reads of a bucket go to the leader: a direct read of a replica may be stale.
- Two kinds of time-out exist (nats' own and the builtin); the builtin one is caught, as nats' own
  derives from it.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import nats
import nats.errors
import nats.js.errors
import structlog
from msgspec import Struct

from imagedrift_runtime.health import Health

log = structlog.get_logger()

CONNECT_WITHIN_S = 20.0
CALL_WITHIN_S = 5.0
SUBJECT_TAKEN = 10077
"""JetStream's error for a full subject in a stream that discards new messages."""


class NotPublished(Exception):
    """NATS has not confirmed that it stored the message."""


class NoBus(Exception):
    """No NATS server could be reached, or none let us in."""


class Stored(Struct, frozen=True):
    """The stream has the message, at this sequence."""

    seq: int


class AlreadyThere(Struct, frozen=True):
    """The stream holds a message under this subject and refuses another one until that expires."""


class Entry(Struct, frozen=True):
    """A value in a bucket and the revision to name when replacing it."""

    value: bytes
    revision: int


class Bucket:
    """A key-value bucket."""

    def __init__(self, kv: Any, name: str) -> None:
        self._kv = kv
        self.name = name

    async def get(self, key: str) -> Entry | None:
        """Read the newest value from the leader; None when there is none."""
        try:
            entry = await self._kv.get(key)
        except (nats.js.errors.KeyNotFoundError, nats.js.errors.NotFoundError):
            return None
        if entry.value is None:
            return None
        return Entry(entry.value, entry.revision)

    async def put(self, key: str, value: bytes) -> int:
        """Write a value; the new revision."""
        return int(await self._kv.put(key, value))

    async def replace(self, key: str, value: bytes, revision: int) -> int | None:
        """Write a value if `revision` (0: none yet) is still the newest; None when it is not."""
        try:
            return int(await self._kv.update(key, value, last=revision))
        except nats.js.errors.KeyWrongLastSequenceError:
            return None

    async def delete(self, key: str) -> None:
        """Remove a value."""
        await self._kv.delete(key)


class Bus:
    """A connection to NATS."""

    def __init__(self, client: Any, state: "_State") -> None:
        self.client = client
        self.js = client.jetstream(timeout=CALL_WITHIN_S)
        self._state = state

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        ttl_s: float | None = None,
        message_id: str | None = None,
    ) -> Stored | AlreadyThere:
        """Store a message in the stream of its subject. Raises `NotPublished`.

        `ttl_s` is kept in whole seconds, at least one: the server knows no fraction.
        """
        headers = {"Nats-Msg-Id": message_id} if message_id else None
        ttl = None if ttl_s is None else max(1, int(ttl_s))
        try:
            ack = await self.js.publish(subject, payload, headers=headers, msg_ttl=ttl)
        except nats.js.errors.APIError as error:
            if error.err_code == SUBJECT_TAKEN:
                return AlreadyThere()
            raise NotPublished(f"{subject}: {error}") from error
        except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            raise NotPublished(f"{subject}: {self._state.reason(error)}") from error
        return Stored(ack.seq)

    async def say(self, subject: str, payload: bytes) -> None:
        """Send a message that nobody stores. Lost when nobody listens."""
        await self.client.publish(subject, payload)

    async def listen(
        self, subject: str, handler: Callable[[str, bytes], Awaitable[None]], queue: str = ""
    ) -> None:
        """Call `handler` with (subject, payload) for each message nobody stores."""

        async def guarded(message: Any) -> None:
            try:
                await handler(message.subject, message.data)
            except Exception:
                log.exception("message.failed", subject=message.subject)

        await self.client.subscribe(subject, queue=queue, cb=guarded)

    async def bucket(self, name: str) -> Bucket:
        """Open a bucket that exists. Raises `NoBus` when it does not."""
        try:
            kv = await self.js.key_value(name)
        except nats.js.errors.NotFoundError as error:
            raise NoBus(f"bucket {name} is missing: run `imagedrift streams`") from error
        kv._direct = False  # reads go to the leader
        return Bucket(kv, name)

    async def pause(self, stream: str, consumer: str, until: datetime) -> None:
        """Stop delivery of a consumer, on the server, for every replica, until a moment."""
        await self.js.pause_consumer(stream, consumer, until)

    async def purge(self, stream: str, subject: str) -> None:
        """Remove the messages of one subject."""
        await self.js.purge_stream(stream, subject=subject)

    async def probe(self) -> None:
        """Make a round trip to the server. Raises `NoBus` when none comes back."""
        try:
            async with asyncio.timeout(CALL_WITHIN_S):
                await self.client.rtt()
        except (TimeoutError, nats.errors.Error) as error:
            raise NoBus(f"NATS does not answer: {self._state.reason(error)}") from error


class _State:
    """What the callbacks have heard: shown in health and in errors."""

    def __init__(self, health: Health | None) -> None:
        self.last_error = ""
        self._health = health

    def reason(self, error: BaseException) -> str:
        text = str(error) or type(error).__name__
        return f"{text} ({self.last_error})" if self.last_error else text

    async def on_error(self, error: Exception) -> None:
        self.last_error = str(error) or type(error).__name__
        log.warning("nats.reported", error=self.last_error)

    async def on_disconnect(self) -> None:
        log.warning("nats.disconnected")
        if self._health:
            self._health.failed("nats", "disconnected")

    async def on_reconnect(self) -> None:
        self.last_error = ""
        log.info("nats.reconnected")
        if self._health:
            self._health.ready("nats")


@asynccontextmanager
async def connect(
    urls: Sequence[str],
    name: str,
    *,
    credentials: str = "",
    ca: str = "",
    health: Health | None = None,
    spool: bool = True,
    inbox: str = "_INBOX",
) -> AsyncIterator[Bus]:
    """Connect and, at the end, drain and close.

    `spool=False` makes a publish fail at once while disconnected, instead of being kept by the
    client and delivered as a surprise later: for callers that keep their own newest state.
    Raises `NoBus` when no server lets us in within `CONNECT_WITHIN_S`.
    """
    state = _State(health)
    options: dict[str, Any] = {
        "servers": list(urls),
        "name": name,
        "inbox_prefix": inbox.encode(),
        "max_reconnect_attempts": -1,
        "reconnect_to_server_handler": _next_server,
        "connect_timeout": 5,
        "ping_interval": 20,
        "max_outstanding_pings": 2,
        "drain_timeout": 10,
        "error_cb": state.on_error,
        "disconnected_cb": state.on_disconnect,
        "reconnected_cb": state.on_reconnect,
        "pending_size": 8 * 1024 * 1024 if spool else -1,
    }
    if credentials:
        options["user_credentials"] = credentials
    if ca:
        options["tls"] = ssl.create_default_context(cafile=ca)
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            client = await nats.connect(**options)
    except (TimeoutError, OSError, nats.errors.Error) as error:
        raise NoBus(f"no NATS at {','.join(urls)}: {state.reason(error)}") from error
    if health:
        health.ready("nats")
    try:
        yield Bus(client, state)
    finally:
        await _close(client)


async def _close(client: Any) -> None:
    try:
        async with asyncio.timeout(CALL_WITHIN_S):
            await client.drain()  # raises while reconnecting
    except (TimeoutError, nats.errors.Error):
        await client.close()


def _next_server(servers: list[Any], info: Any) -> tuple[Any, float]:
    """Pick the next server and how long to wait: full jitter, so that a fleet does not return at once."""
    server = servers[0]
    servers.append(servers.pop(0))
    ceiling = min(30.0, 0.5 * 2 ** min(server.reconnects, 10))
    return server, random.uniform(0, ceiling)  # noqa: S311 - no secret
