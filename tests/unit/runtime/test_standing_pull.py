"""One pull request stands on the server: what has come is handed out, and no more is on its way."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import nats.js.errors
import pytest

from imagedrift_runtime.nats.standing_pull import BESIDE_PAYLOAD, FULL, StandingPull, status
from support.polling import until

MAX_PAYLOAD = 1024


class Inbox:
    """As much of nats-py's pull subscription as a standing pull needs; it notes each request."""

    def __init__(self) -> None:
        self.requests: list[dict[str, int]] = []
        self.max_payload = MAX_PAYLOAD
        self._deliver = "_INBOX.x"
        self._nms = "$JS.API.CONSUMER.MSG.NEXT.S.c"
        self._sub = self
        self._pending_queue: asyncio.Queue[Any] = asyncio.Queue()
        self._pending_size = 0

    def arrive(self, *messages: Any) -> None:
        """Let messages come."""
        for message in messages:
            self._pending_queue.put_nowait(message)
            self._pending_size += len(message.data)

    @property
    def pending_bytes(self) -> int:
        """The bytes that nats-py counts as not taken yet."""
        return self._pending_size

    async def next_msg(self, timeout: float) -> Any:  # noqa: ASYNC109 - nats' own
        """Take the next message."""
        async with asyncio.timeout(timeout):
            message = await self._pending_queue.get()
        self._pending_size -= len(message.data)
        return message

    async def publish(self, subject: str, payload: bytes, reply: str) -> None:
        """Note a request."""
        assert (subject, reply) == (self._nms, self._deliver)
        self.requests.append(json.loads(payload))


def message(data: bytes = b"x", **headers: str) -> Any:
    """A message of a stream."""
    return SimpleNamespace(data=data, headers=headers or None, reply="$JS.ACK.S.c.1.1.1.1.0")


def ended(code: str, description: str = "") -> Any:
    """A status in place of a message."""
    headers = {"Status": code, "Description": description}
    return SimpleNamespace(data=b"", headers=headers, header=headers, reply="")


async def test_what_has_come_is_handed_out_at_once() -> None:
    """A request for ten does not wait for ten, and stands until ten have come."""
    inbox = Inbox()
    pull = StandingPull(inbox, inbox)
    inbox.arrive(message(), message())

    first = await pull.fetch(10, 5)
    inbox.arrive(*(message() for _ in range(8)))
    second = await pull.fetch(10, 5)
    inbox.arrive(message())
    await pull.fetch(4, 5)

    assert (len(first), len(second)) == (2, 8)
    assert [request["batch"] for request in inbox.requests] == [10, 4]
    assert inbox.pending_bytes == 0


async def test_a_batch_waits_while_more_keep_coming() -> None:
    """The first message of a full stream is ahead of the rest, which come a moment later."""
    inbox = Inbox()
    pull = StandingPull(inbox, inbox, gather_s=0.001)
    inbox.arrive(message())
    asyncio.get_running_loop().call_soon(inbox.arrive, message(), message())

    assert len(await pull.fetch(10, 5)) == 3


async def test_a_batch_is_bounded_by_bytes_and_the_largest_message_fits() -> None:
    """A message beyond the bound would never come."""
    inbox = Inbox()
    inbox.arrive(message())
    await StandingPull(inbox, inbox, most_bytes=10).fetch(5, 5)
    inbox.arrive(message())
    await StandingPull(inbox, inbox, most_bytes=10_000_000).fetch(5, 5)

    bounds = [request["max_bytes"] for request in inbox.requests]
    assert bounds == [MAX_PAYLOAD + BESIDE_PAYLOAD, 10_000_000]


@pytest.mark.parametrize("over", [ended("404"), ended("408"), ended("409", FULL)])
async def test_a_request_that_is_over_is_made_again(over: Any) -> None:
    """No messages, no time, no room for the next message: none of them is a failure."""
    inbox = Inbox()
    inbox.arrive(over)
    fetched = asyncio.create_task(StandingPull(inbox, inbox).fetch(3, 5))
    await until(lambda: len(inbox.requests) == 2, what="it is made again")
    inbox.arrive(message())

    assert len(await fetched) == 1


async def test_a_refused_request_raises_the_servers_error() -> None:
    """A deleted consumer is no silence."""
    inbox = Inbox()
    inbox.arrive(ended("409", "Consumer Deleted"))

    with pytest.raises(nats.js.errors.APIError):
        await StandingPull(inbox, inbox).fetch(3, 5)


async def test_a_request_of_a_lost_connection_is_forgotten() -> None:
    """The server does not know it any more: the next fetch asks anew."""
    inbox = Inbox()
    pull = StandingPull(inbox, inbox)
    inbox.arrive(message())
    await pull.fetch(5, 5)
    pull.forget()
    inbox.arrive(message())
    await pull.fetch(5, 5)

    assert len(inbox.requests) == 2


async def test_nothing_in_time_is_a_time_out() -> None:
    """A request goes on standing after a time-out."""
    inbox = Inbox()
    with pytest.raises(TimeoutError):
        await StandingPull(inbox, inbox).fetch(5, 0.01)

    assert len(inbox.requests) == 1


def test_a_publishers_header_is_no_status() -> None:
    """Anybody may give a message a header of that name: the reply tells it from the server's."""
    assert status(message(Status="404")) is None
    assert status(ended("404")) == "404"
