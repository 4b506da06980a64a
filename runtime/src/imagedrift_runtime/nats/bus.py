"""The connection to NATS as a service sees it.

- `publish_async` is not used: futures in flight at a disconnect never resolve.
- A refused publish permission shows only as a time-out, with the reason in the error callback;
  `NotPublished` carries what was heard while the message was under way.
- Reads of a bucket go to the leader: a direct read of a replica may be stale.
- Two kinds of time-out exist (nats' own and the builtin); the builtin one is caught, as nats' own
  derives from it.
- The end has an order: who pulls has stopped, listeners finish, what waits is sent, the connection
  is closed. nats' own drain waits for what never comes (5 s, and noise).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from imagedrift_runtime import metrics
from imagedrift_runtime.health import Health
from imagedrift_runtime.nats import service_api
from imagedrift_runtime.nats.connect_options import CONNECT_WITHIN_S, ConnectOptions
from imagedrift_runtime.nats.connection import CALL_WITHIN_S, PROBE_EVERY_S, Connection
from imagedrift_runtime.nats.errors import NoAnswer, NoBus, NotPublished
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_runtime.nats.nats_py import nats
from imagedrift_runtime.nats.results import AlreadyThere, Lag, Newest, Stored
from imagedrift_runtime.nats.subscriptions import Listener, Subscriptions

NOT_STORED = 10077
"""JetStream's error for a stream that discards new messages, or whose disk fails."""
SUBJECT_TAKEN = "messages per subject"
"""What it says of a subject that is full; a full stream, or disk, has the same number."""
NO_MESSAGE = 10037
"""JetStream's error where a stream has no such message; one without the stream has another."""
FULL = "maximum bytes exceeded"
IS_FULL = f"{FULL}: raise the stream's IMAGEDRIFT_STREAM_MIB and run `imagedrift streams`"


class Bus:
    """A connection to NATS."""

    def __init__(self, connection: Connection) -> None:
        self.link = connection
        self._subscriptions = Subscriptions(connection)

    @property
    def client(self) -> Any:
        """nats-py's client: another one after the connection was replaced."""
        return self.link.client

    @property
    def js(self) -> Any:
        """nats-py's JetStream context."""
        return self.link.js

    @property
    def health(self) -> Health | None:
        """Where the connection, and loops on it, tell how they are."""
        return self.link.health

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
            ack = await self.js.publish(subject, payload, headers=own or None, msg_ttl=ttl)
        except nats.js.errors.APIError as error:
            if error.err_code == NOT_STORED and SUBJECT_TAKEN in str(error.description):
                metrics.published.add(outcome="already_there")
                return AlreadyThere()
            code = error.err_code or 0
            full = FULL in str(error.description)
            raise _not_published(subject, IS_FULL if full else str(error), code) from error
        except (TimeoutError, OSError, nats.errors.Error, nats.js.errors.Error) as error:
            raise _not_published(subject, self.link.reason(error, began)) from error
        metrics.published.add(outcome="stored")
        return Stored(ack.seq)

    async def say(self, subject: str, payload: bytes) -> None:
        """Send a message that nobody stores, lost when nobody listens. Raises `NotPublished`."""
        try:
            await self.client.publish(subject, payload)
        except (OSError, nats.errors.Error) as error:
            raise _not_published(subject, str(error)) from error

    async def listen(self, subject: str, handler: Listener, queue: str = "") -> None:
        """Call `handler` with (subject, payload), one at a time, for messages nobody stores."""
        await self._subscriptions.listen(subject, handler, queue)

    async def request(
        self,
        subject: str,
        payload: bytes,
        timeout: float = CALL_WITHIN_S,  # noqa: ASYNC109
    ) -> bytes:
        """Ask whoever serves `subject`. Raises `NoAnswer`, or `Refused` with the server's words."""
        began = time.monotonic()
        try:
            answer = await self.client.request(subject, payload, timeout=timeout)
        except nats.errors.NoRespondersError as error:
            raise NoAnswer(f"{subject}: nobody serves it") from error
        except (TimeoutError, OSError, nats.errors.Error) as error:
            raise NoAnswer(f"{subject}: {self.link.reason(error, began)}") from error
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
        handler: service_api.Handler,
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
        await self._manage(self.js.stream_info(f"KV_{name}"))
        return Bucket(self, name)

    async def pause(self, stream: str, consumer: str, until: datetime) -> None:
        """Stop delivery of a consumer, on the server, for every replica, until a moment."""
        moment = until.astimezone(UTC).isoformat().replace("+00:00", "Z")
        await self._manage(self.js.pause_consumer(stream, consumer, moment))

    async def purge_subject(self, stream: str, subject: str) -> None:
        """Remove the messages of one subject."""
        await self._manage(self.js.purge_stream(stream, subject=subject))

    async def replace(
        self, stream: str, subject: str, payload: bytes, *, ttl_s: float
    ) -> Stored | AlreadyThere:
        """Store a message in place of the one of its subject, if any. Raises `BusError`."""
        await self.purge_subject(stream, subject)
        return await self.publish(subject, payload, ttl_s=ttl_s)

    async def reset_consumer(self, stream: str, consumer: str) -> None:
        """Deliver everything that the stream holds once more: to rebuild what was made of it."""
        await self.lag(stream, consumer)  # a reset of a missing one gets no answer
        await self._manage(self.js.reset_consumer(stream, consumer, seq=1))

    async def created(self, stream: str) -> datetime:
        """Tell when a stream was made: sequences of another making are not compared with its."""
        moment: datetime = (await self._manage(self.js.stream_info(stream))).created
        return moment

    async def newest(self, stream: str, subject: str) -> Newest | None:
        """Tell which is the newest message of a subject; None without one. Raises `NoBus`.

        The stream's leader is asked: a replica may answer with what was there before.
        """
        try:
            message = await self.js.get_msg(stream, subject=subject, direct=False)
        except nats.js.errors.NotFoundError as error:
            if error.err_code != NO_MESSAGE:
                raise NoBus(f"{error.description}: run `imagedrift streams`") from error
            return None
        except (TimeoutError, OSError, nats.errors.Error, nats.js.errors.Error) as error:
            raise NoBus(f"{stream}, {subject}: {str(error) or 'no answer'}") from error
        return Newest(message.seq, message.time)

    async def lag(self, stream: str, consumer: str) -> Lag:
        """Tell how far a consumer is behind. Raises `NoBus`."""
        return _lag(await self._manage(self.js.consumer_info(stream, consumer)))

    async def lags(self, stream: str) -> dict[str, Lag]:
        """Tell how far every consumer of a stream is behind, by name. Raises `NoBus`."""
        found: dict[str, Lag] = {}
        while True:
            page = await self._manage(self.js.consumers_info(stream, offset=len(found)))
            new = {info.name: _lag(info) for info in page if info.name not in found}
            if not new:
                return found
            found |= new

    async def probe(self) -> None:
        """Make a round trip to the server. Raises `NoBus` when none comes back."""
        await self.link.probe()

    async def close(self) -> None:
        """Let listeners finish what they hold, within a bound, and close the connection."""
        await self._subscriptions.drain()
        await self.link.close()

    async def _manage(self, call: Awaitable[Any]) -> Any:
        began = time.monotonic()
        try:
            return await call
        except nats.js.errors.NotFoundError as error:
            raise NoBus(f"{error.description}: run `imagedrift streams`") from error
        except nats.js.errors.ServiceUnavailableError as error:
            raise NoBus("JetStream does not answer: is it enabled, has it a leader?") from error
        except (TimeoutError, OSError, nats.errors.Error, nats.js.errors.Error) as error:
            raise NoBus(self.link.reason(error, began)) from error


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
    connection = Connection(options, health, probe_every_s)
    await connection.open()
    bus = Bus(connection)
    watching = asyncio.create_task(connection.watch())
    try:
        yield bus
    finally:
        watching.cancel()
        await bus.close()


def _lag(info: Any) -> Lag:
    return Lag(
        info.num_pending,
        info.num_ack_pending,
        bool(info.paused),
        acknowledged=info.ack_floor.stream_seq if info.ack_floor else 0,
        waiting=info.num_waiting or 0,
    )


def _not_published(subject: str, why: str, code: int = 0) -> NotPublished:
    metrics.published.add(outcome="failed")
    return NotPublished(f"{subject}: {why}", code)
