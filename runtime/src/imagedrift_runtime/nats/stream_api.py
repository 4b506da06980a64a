"""Streams and consumers, as a service asks the server about them.

Rules:
- The stream's leader is asked: a direct read of a replica may be stale.
- A missing stream or consumer is a fault of the set-up, and says which command makes it.
- Two kinds of time-out exist (nats' own and the builtin); the builtin one is caught, as nats' own
  derives from it.
"""

import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

from imagedrift_runtime.nats.connection import Connection
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.nats.nats_py import nats
from imagedrift_runtime.nats.remedies import with_remedy
from imagedrift_runtime.nats.results import ConsumerLag, NewestMessage, StoredMessage

NO_MESSAGE = 10037
"""JetStream's error where a stream has no such message; one without the stream has another."""


class StreamApi:
    """JetStream's API of streams and consumers, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def pause(self, stream: str, consumer: str, until: datetime) -> None:
        """Stop delivery of a consumer, on the server, for every replica, until a moment."""
        moment = until.astimezone(UTC).isoformat().replace("+00:00", "Z")
        await self._manage(self._connection.js.pause_consumer(stream, consumer, moment))

    async def purge_subject(self, stream: str, subject: str) -> None:
        """Remove the messages of one subject."""
        await self._manage(self._connection.js.purge_stream(stream, subject=subject))

    async def reset_consumer(self, stream: str, consumer: str) -> None:
        """Deliver everything that the stream holds once more: to rebuild what was made of it."""
        await self.lag(stream, consumer)  # a reset of a missing one gets no answer
        await self._manage(self._connection.js.reset_consumer(stream, consumer, seq=1))

    async def created(self, stream: str) -> datetime:
        """Tell when a stream was made: sequences of another making are not compared with its."""
        moment: datetime = (await self._manage(self._connection.js.stream_info(stream))).created
        return moment

    async def last_seq(self, stream: str) -> int:
        """Tell the sequence of a stream's last message; 0 before the first. Raises `NoBus`."""
        return int((await self._manage(self._connection.js.stream_info(stream))).state.last_seq)

    async def message_from(self, stream: str, subject: str, seq: int) -> StoredMessage | None:
        """Read the first message of a subject from a sequence on; None without one.

        The stream's leader is asked. Raises `NoBus`.
        """
        message = await _message(self._connection, stream, subject, seq=seq, next=True)
        return StoredMessage(message.seq, message.time, message.data or b"") if message else None

    async def newest(self, stream: str, subject: str) -> NewestMessage | None:
        """Tell which is the newest message of a subject; None without one. Raises `NoBus`.

        The stream's leader is asked: a replica may answer with what was there before.
        """
        message = await last_message(self._connection, stream, subject)
        return NewestMessage(message.seq, message.time) if message else None

    async def lag(self, stream: str, consumer: str) -> ConsumerLag:
        """Tell how far a consumer is behind. Raises `NoBus`."""
        return _lag(await self._manage(self._connection.js.consumer_info(stream, consumer)))

    async def lags(self, stream: str) -> dict[str, ConsumerLag]:
        """Tell how far every consumer of a stream is behind, by name. Raises `NoBus`."""
        found: dict[str, ConsumerLag] = {}
        while True:
            page = await self._manage(self._connection.js.consumers_info(stream, offset=len(found)))
            new = {info.name: _lag(info) for info in page if info.name not in found}
            if not new:
                return found
            found |= new

    async def _manage(self, call: Awaitable[Any]) -> Any:
        began = time.monotonic()
        try:
            return await call
        except nats.js.errors.NotFoundError as error:
            raise NoBus(f"{error.description}: run `imagedrift streams`") from error
        except nats.js.errors.ServiceUnavailableError as error:
            raise NoBus("JetStream does not answer: is it enabled, has it a leader?") from error
        except (TimeoutError, OSError, nats.errors.Error, nats.js.errors.Error) as error:
            raise NoBus(with_remedy(self._connection.reason(error, began))) from error


async def last_message(connection: Connection, stream: str, subject: str) -> Any:
    """Read a subject's last message from the leader; None without one. Raises `NoBus`."""
    return await _message(connection, stream, subject)


async def _message(connection: Connection, stream: str, subject: str, **which: Any) -> Any:
    try:
        return await connection.js.get_msg(stream, subject=subject, direct=False, **which)
    except nats.js.errors.NotFoundError as error:
        if error.err_code != NO_MESSAGE:
            raise NoBus(f"{error.description}: run `imagedrift streams`") from error
        return None
    except (TimeoutError, OSError, nats.errors.Error, nats.js.errors.Error) as error:
        raise NoBus(f"{stream}, {subject}: {str(error) or 'no answer'}") from error


def _lag(info: Any) -> ConsumerLag:
    return ConsumerLag(
        info.num_pending,
        info.num_ack_pending,
        bool(info.paused),
        acknowledged=info.ack_floor.stream_seq if info.ack_floor else 0,
        waiting=info.num_waiting or 0,
    )
