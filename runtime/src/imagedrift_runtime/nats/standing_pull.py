"""Messages of a consumer as soon as there are any, through a pull request of our own.

nats-py's fetch of many waits until it has them all, or its time is over, whenever the server holds
some back because `max_ack_pending` is reached; what it got meanwhile lies there unhandled, counts
as pending, and keeps the rest back. With several replicas a lane then moves once in five seconds.

Here one request is left standing on the server: what has come is handed out at once, and the next
request is made when this one is used up. So never more is on its way than the caller had room for.
A request whose end was not seen (reconnect, lost status) is forgotten by the clock.

Who handles batches waits a moment longer, as long as more keep coming: the first message of a full
stream is a few milliseconds ahead of the rest, and would else be a batch of its own. A batch is
bounded by bytes too, by the server: hundreds of the largest messages are hundreds of megabytes.
"""

import asyncio
import json
import time
from typing import Any

from imagedrift_runtime.nats.nats_py import nats

GRACE_S = 1.0
OVER = ("404", "408")
"""Statuses of a request that ended without a failure: no messages, or its time is over."""
FULL = "Message Size Exceeds MaxBytes"
"""How the server describes, with status 409, that the next message would not fit."""
BESIDE_PAYLOAD = 64 * 1024
"""Room for the bytes that count beside the largest payload: subject, reply and headers."""


class StandingPull:
    """Asks one consumer, through a pull subscription of nats-py.

    `gather_s` is how long a pause between messages ends what is handed out together; 0: any.
    `most_bytes` is how much is on its way at a time; one message always is, whatever its size.
    """

    def __init__(
        self, client: Any, subscription: Any, gather_s: float = 0.0, most_bytes: int = 0
    ) -> None:
        self._client = client
        self._most_bytes = most_bytes
        self._inbox = subscription._deliver
        self._next = subscription._nms
        self._subscription = subscription._sub
        self._gather_s = gather_s
        self._standing = 0
        self._until = 0.0

    async def fetch(self, most: int, within_s: float) -> list[Any]:
        """Return one message or more as soon as there are any. Raises `TimeoutError`."""
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            if self._standing <= 0 or time.monotonic() > self._until:
                await self._ask(most, left)
            messages = self._sort(await self._arrived(left))
            if messages:
                return messages
        raise TimeoutError

    def forget(self) -> None:
        """Take it that no request is standing: the connection that it was made on is lost."""
        self._standing = 0

    def waiting(self) -> list[Any]:
        """Return the messages that have come and are not taken."""
        return [*filter(is_delivery, self._subscription._pending_queue._queue)]

    def take_waiting(self) -> list[Any]:
        """Take the messages that have come, without waiting."""
        queue, taken = self._subscription._pending_queue, []
        while not queue.empty():
            taken.append(queue.get_nowait())
            self._subscription._pending_size -= len(taken[-1].data)
        return taken

    async def _arrived(self, within_s: float) -> list[Any]:
        arrived = [await self._subscription.next_msg(timeout=within_s), *self.take_waiting()]
        while self._gather_s and len(arrived) < self._standing:
            await asyncio.sleep(self._gather_s)
            more = self.take_waiting()
            arrived += more
            if not more:
                break
        return arrived

    async def _ask(self, most: int, within_s: float) -> None:
        request = {"batch": most, "expires": max(1, int(within_s * 1e9))}
        if self._most_bytes:
            # A message that is larger than the bound would never come.
            request["max_bytes"] = max(self._most_bytes, self._client.max_payload + BESIDE_PAYLOAD)
        self._standing, self._until = most, time.monotonic() + within_s + GRACE_S
        await self._client.publish(self._next, json.dumps(request).encode(), self._inbox)

    def _sort(self, arrived: list[Any]) -> list[Any]:
        """Tell messages from statuses of the server. Raises the error that one of them is."""
        messages = [message for message in arrived if is_delivery(message)]
        self._standing -= len(messages)
        for message in arrived:
            ended = status(message)
            if ended is not None:
                self._standing = 0
            if ended is not None and not is_over(message) and not messages:
                raise nats.js.errors.APIError.from_msg(message)
        return messages


def status(message: Any) -> str | None:
    """Read the status that the server sent in place of a message; None for a message.

    A publisher can give its message a header of that name, too: a message is known by its reply.
    """
    if is_delivery(message) or not message.headers:
        return None
    told: str | None = message.headers.get("Status")
    return told


def is_over(message: Any) -> bool:
    """Tell whether a status ends a request without a failure."""
    return status(message) in OVER or message.headers.get("Description") == FULL


def is_delivery(message: Any) -> bool:
    """Tell a message of a stream from a status, and from one that anybody may send to an inbox."""
    return bool(message.reply.startswith("$JS.ACK."))
