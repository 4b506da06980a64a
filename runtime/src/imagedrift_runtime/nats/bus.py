"""The connection to NATS as a service sees it.

- `publish_async` is not used: futures in flight at a disconnect never resolve.
- A refused publish permission shows only as a time-out, with the reason in the error callback;
  `NotPublished` carries what was heard while the message was under way.
- nats-py's client and context are for the modules of this package alone (`_connection`).
- The end has an order: who pulls has stopped, listeners finish, what waits is sent, the connection
  is closed. nats' own drain waits for what never comes (5 s, and noise).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from imagedrift_runtime import metrics
from imagedrift_runtime.health import Health
from imagedrift_runtime.nats import service_api
from imagedrift_runtime.nats.connect_options import CONNECT_WITHIN_S, ConnectOptions
from imagedrift_runtime.nats.connection import CALL_WITHIN_S, PROBE_EVERY_S, Connection
from imagedrift_runtime.nats.dead_letters import DeadLetterLimiter
from imagedrift_runtime.nats.errors import NoAnswer, NoBus, NotPublished
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_runtime.nats.nats_py import nats
from imagedrift_runtime.nats.results import AlreadyThere, Stored
from imagedrift_runtime.nats.stream_api import StreamApi
from imagedrift_runtime.nats.subscriptions import Listener, Subscriptions

NOT_STORED = 10077
"""JetStream's error for a stream that discards new messages, or whose disk fails."""
SUBJECT_TAKEN = "messages per subject"
"""The server's words for a subject that is full; a full stream, or disk, has the same number."""
FULL = "maximum bytes exceeded"
IS_FULL = f"{FULL}: raise the stream's IMAGEDRIFT_STREAM_MIB and run `imagedrift streams`"


class Bus(StreamApi):
    """A connection to NATS: messages, and the streams that keep them."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.dead_letters = DeadLetterLimiter()
        """Of the whole process: its loops count refusals together."""
        self._subscriptions = Subscriptions(connection)

    @property
    def health(self) -> Health | None:
        """Where the connection, and loops on it, tell how they are."""
        return self._connection.health

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, in bytes."""
        return int(self._connection.client.max_payload)

    @property
    def server(self) -> str:
        """The host and port of the server that it is connected to; empty while there is none."""
        url = self._connection.client.connected_url
        return url.netloc.rpartition("@")[2] if url else ""

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        ttl_s: float | None = None,
        message_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Stored | AlreadyThere:
        """Store a message in the stream of its subject. Raises `NotPublished`.

        `ttl_s` is kept in whole seconds, at least one: the server knows no fraction.
        """
        own = dict(headers or {}) | ({"Nats-Msg-Id": message_id} if message_id else {})
        ttl = None if ttl_s is None else max(1, int(ttl_s))
        began = time.monotonic()
        try:
            ack = await self._connection.js.publish(
                subject, payload, headers=own or None, msg_ttl=ttl
            )
        except nats.js.errors.APIError as error:
            if error.err_code == NOT_STORED and SUBJECT_TAKEN in str(error.description):
                metrics.published.add(outcome="already_there")
                return AlreadyThere()
            code = error.err_code or 0
            full = FULL in str(error.description)
            raise _not_published(subject, IS_FULL if full else str(error), code) from error
        except (TimeoutError, OSError, nats.errors.Error, nats.js.errors.Error) as error:
            raise _not_published(subject, self._connection.reason(error, began)) from error
        metrics.published.add(outcome="stored")
        return Stored(ack.seq)

    async def say(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a message without waiting for a confirmation. Raises `NotPublished`.

        It is lost where nobody listens.
        """
        try:
            await self._connection.client.publish(subject, payload, headers=headers)
        except (OSError, nats.errors.Error) as error:
            raise _not_published(subject, str(error)) from error

    async def flush(self, within_s: float = CALL_WITHIN_S) -> None:
        """Wait until the server has read all that was sent. Raises `NoBus`."""
        try:
            await self._connection.client.flush(max(1, round(within_s)))
        except (TimeoutError, OSError, nats.errors.Error) as error:
            raise NoBus(f"the server does not read: {str(error) or 'no answer'}") from error

    async def listen(self, subject: str, handler: Listener, queue: str = "") -> None:
        """Call `handler` with (subject, payload), one at a time, for messages nobody stores."""
        await self._subscriptions.listen(subject, handler, queue)

    async def request(
        self,
        subject: str,
        payload: bytes,
        timeout: float = CALL_WITHIN_S,  # noqa: ASYNC109
    ) -> bytes:
        """Ask a service of `subject`. Raises `NoAnswer`, or `Refused` with the server's words."""
        began = time.monotonic()
        try:
            answer = await self._connection.client.request(subject, payload, timeout=timeout)
        except nats.errors.NoRespondersError as error:
            raise NoAnswer(f"{subject}: nobody serves it") from error
        except (TimeoutError, OSError, nats.errors.Error) as error:
            raise NoAnswer(f"{subject}: {self._connection.reason(error, began)}") from error
        if refusal := service_api.refusal(answer.headers):
            raise refusal
        return bytes(answer.data)

    async def serve(
        self,
        name: str,
        version: str,
        description: str,
        endpoint: str,
        subject: str,
        handler: service_api.RequestHandler,
        *,
        slots: int = 64,
    ) -> None:
        """Be a NATS micro service: answer requests on `subject`, shared with other replicas.

        What the handler returns is the answer; `Refused` becomes an error for who asked, and any
        other exception one without details. Up to `slots` are handled at a time.
        """
        service = service_api.ServiceDescription(name, version, description, endpoint, subject)
        await self._subscriptions.serve(service, handler, slots)

    async def bucket(self, name: str) -> Bucket:
        """Open a bucket that exists. Raises `NoBus` when it does not, or none can tell."""
        await self.created(f"KV_{name}")
        return Bucket(name, self._connection, self)

    async def replace(
        self, stream: str, subject: str, payload: bytes, *, ttl_s: float
    ) -> Stored | AlreadyThere:
        """Store a message in place of the one of its subject, if any. Raises `BusError`."""
        await self.purge_subject(stream, subject)
        return await self.publish(subject, payload, ttl_s=ttl_s)

    async def probe(self) -> None:
        """Make a round trip to the server. Raises `NoBus` when none comes back."""
        await self._connection.probe()

    async def close(self) -> None:
        """Let listeners finish their messages, within a bound, and close the connection."""
        await self._subscriptions.drain()
        await self._connection.close()


@asynccontextmanager
async def connect(
    urls: Sequence[str],
    name: str,
    *,
    credentials: str = "",
    ca: str = "",
    tls_first: bool = False,
    urls_file: str = "",
    health: Health | None = None,
    spool: bool = True,
    inbox: str = "_INBOX",
    within_s: float = CONNECT_WITHIN_S,
    probe_every_s: float = PROBE_EVERY_S,
) -> AsyncIterator[Bus]:
    """Connect, and at the end let listeners finish and close. Raises `NoBus` after `within_s`.

    `spool=False` makes a publish fail at once while disconnected, instead of being kept by the
    client and delivered as a surprise later: for callers that keep their own newest state.
    """
    options = ConnectOptions(
        urls=tuple(urls),
        name=name,
        credentials=credentials,
        ca=ca,
        tls_first=tls_first,
        urls_file=urls_file,
        inbox=inbox,
        spool=spool,
        within_s=within_s,
    )
    async with over(Connection(options, health, probe_every_s)) as bus:
        yield bus


@asynccontextmanager
async def over(connection: Connection) -> AsyncIterator[Bus]:
    """Open a connection and watch it for the length of the context. Raises `NoBus`."""
    await connection.open()
    bus = Bus(connection)
    watching = asyncio.create_task(connection.watch())
    try:
        yield bus
    finally:
        watching.cancel()
        await bus.close()


def _not_published(subject: str, why: str, code: int = 0) -> NotPublished:
    metrics.published.add(outcome="failed")
    return NotPublished(f"{subject}: {why}", code)
