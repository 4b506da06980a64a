"""Fetching, against a subscription that does what real ones do too rarely."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import nats.errors
import pytest
import structlog

from imagedrift_runtime.health import Health
from imagedrift_runtime.nats.fetch import Fetch, Pause
from imagedrift_runtime.waiting import wait


class Script:
    """A subscription to which scripted things arrive, one at each wait; then nothing more."""

    def __init__(self, *things: Any) -> None:
        self.things = list(things)
        self.ended = 0
        self.waiting = asyncio.Event()
        self._deliver = "_INBOX.x"
        self._nms = "$JS.API.CONSUMER.MSG.NEXT.S.c"
        self._sub = self
        self._pending_queue: asyncio.Queue[Any] = asyncio.Queue()
        self._pending_size = 0

    async def next_msg(self, timeout: float) -> Any:  # noqa: ASYNC109 - nats' own
        """Let the next thing arrive: an error, or messages of which the first is returned."""
        if not self.things:
            self.waiting.set()
            await asyncio.Event().wait()
        thing = self.things.pop(0)
        if isinstance(thing, BaseException):
            raise thing
        for message in thing[1:]:
            self._pending_queue.put_nowait(message)
        return thing[0]

    def arrive(self, message: Any) -> None:
        """Let a message come between two waits."""
        self._pending_queue.put_nowait(message)

    async def unsubscribe(self) -> None:
        """Note it."""
        self.ended += 1


class FakeBus:
    """As much of a bus as a fetch needs."""

    def __init__(self, script: Script) -> None:
        self.asked: list[int] = []
        self.health = Health()
        self.connection = self._connection = SimpleNamespace(
            is_connected=True,
            client=SimpleNamespace(publish=self._publish),
            js=SimpleNamespace(pull_subscribe_bind=self._bind),
            lost=asyncio.Event(),
            complaint=lambda since: "",
        )
        self.bound = 0
        self._script = script

    async def _publish(self, subject: str, payload: bytes, reply: str) -> None:
        self.asked.append(json.loads(payload)["batch"])

    async def _bind(self, durable: str, stream: str) -> Script:
        self.bound += 1
        return self._script

    async def lag(self, stream: str, consumer: str) -> None:
        """Say that the consumer is there."""


class Message:
    """A message, or a status of the server, that notes what becomes of it."""

    def __init__(self, name: str, status: str = "") -> None:
        self.name = name
        self.data = b""
        self.headers = {"Status": status} if status else None
        self.reply = "" if status else "$JS.ACK.S.c.1.1.1.1.0"
        self.given_back = False

    async def nak(self) -> None:
        """Note it."""
        self.given_back = True


def fetching(*things: Any, pause: Pause = wait) -> tuple[Fetch, Script, FakeBus]:
    """A fetch over a script."""
    script = Script(*things)
    bus = FakeBus(script)
    return Fetch(bus, "S", "c", asyncio.Event(), pause=pause), script, bus  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [TimeoutError(), nats.errors.TimeoutError()])
async def test_a_time_out_of_either_kind_is_nothing_to_do(kind: Exception) -> None:
    """nats-py raises its own or the builtin one: neither is a failure, or worth a wait."""
    messages, script, bus = fetching(kind, [Message("a")])

    began = time.monotonic()
    assert await messages(4) == []
    assert [each.name for each in await messages(4)] == ["a"]

    assert time.monotonic() - began < 0.1
    assert bus.health.is_ready
    assert script.ended == 0
    assert bus.asked == [4], "the request stands until its time is over"


@pytest.mark.parametrize(
    "error",
    [nats.errors.ConnectionClosedError(), OSError("gone"), ValueError("planted"), KeyError("x")],
)
async def test_any_error_backs_off_and_binds_anew(error: Exception) -> None:
    """Expected or not, an error is told, waited out, and never ends the loop."""
    waits: list[float] = []

    async def pause(stopping: asyncio.Event, seconds: float) -> None:
        waits.append(seconds)

    messages, script, bus = fetching(error, [Message("a")], pause=pause)

    with structlog.testing.capture_logs() as logs:
        assert await messages(4) == []
        told = bus.health.parts()["S/c"]
        assert len(await messages(4)) == 1

    assert not told.ready
    assert told.reason
    assert [entry["event"] for entry in logs] == ["fetch.failed", "fetch.recovered"]
    assert len(waits) == 1
    assert (bus.bound, script.ended) == (2, 1)
    assert bus.health.is_ready


async def test_more_than_was_asked_for_is_held_back() -> None:
    """Late messages of the fetch before come with this one: slots hold all the same."""
    late = [Message(str(number)) for number in range(5)]
    messages, _, bus = fetching(late)

    batches = [[each.name for each in await messages(2)] for _ in range(3)]

    assert batches == [["0", "1"], ["2", "3"], ["4"]]
    assert bus.asked == [2], "what is held goes first"


async def test_nothing_is_fetched_while_disconnected() -> None:
    """The client would keep the requests and send them all at once on its return."""
    messages, _, bus = fetching([Message("a")])
    bus.connection.is_connected = False

    assert await messages(4) == []
    assert bus.asked == []
    bus.connection.is_connected = True
    assert len(await messages(4)) == 1


async def test_a_lost_connection_ends_a_fetch_under_way() -> None:
    """The server has forgotten it: there is nothing to wait for."""
    messages, script, bus = fetching()
    under_way = asyncio.create_task(messages(4))
    await asyncio.wait_for(script.waiting.wait(), 1)

    bus.connection.lost.set()
    assert await asyncio.wait_for(under_way, 1) == []

    bus.connection.lost = asyncio.Event()
    script.things.append([Message("a")])
    assert len(await asyncio.wait_for(messages(4), 1)) == 1
    assert bus.asked == [4, 4], "on the new connection it is asked again"


async def test_what_is_held_when_leaving_is_given_back() -> None:
    """Both what was held back and what waits in the client; the subscription is ended."""
    held, queued, taken = Message("held"), Message("queued"), Message("taken")
    messages, script, _ = fetching([taken, held])
    assert await messages(1) == [taken]
    script.arrive(queued)

    await messages.leave()

    assert (held.given_back, queued.given_back, taken.given_back) == (True, True, False)
    assert script.ended == 1


async def test_a_request_stands_until_it_is_used_up() -> None:
    """Never more is on its way than there was room for, and nothing waits for a full batch."""
    first, second, third = [Message("1")], [Message("2"), Message("3")], [Message("4")]
    messages, _, bus = fetching(first, second, third)

    got = [len(await messages(most)) for most in (3, 2, 5)]

    assert got == [1, 2, 1]
    assert bus.asked == [3, 5]


@pytest.mark.parametrize("status", ["404", "408"])
async def test_a_request_that_ended_is_made_again(status: str) -> None:
    """No messages, or its time is over: neither is a failure."""
    messages, _, bus = fetching([Message("", status)], [Message("a")])

    assert len(await messages(4)) == 1
    assert bus.asked == [4, 4]
    assert bus.health.is_ready


@pytest.mark.parametrize("status", ["409", "503"])
async def test_a_request_that_was_refused_is_a_failure(status: str) -> None:
    """The consumer was deleted, or nobody answers for it: it is told, and waited out."""
    messages, _, bus = fetching([Message("", status)], pause=_no_wait)

    assert await messages(4) == []
    assert not bus.health.is_ready


async def _no_wait(stopping: asyncio.Event, seconds: float) -> None:
    """Wait not at all."""


async def test_messages_that_came_with_a_refusal_are_not_lost() -> None:
    """Messages are handed out; what is wrong shows at the next fetch."""
    messages, _, bus = fetching([Message("a"), Message("", "409")], [Message("b")])

    assert [each.name for each in await messages(4)] == ["a"]
    assert [each.name for each in await messages(4)] == ["b"]
    assert bus.asked == [4, 4]


async def test_what_is_no_delivery_is_not_handled() -> None:
    """Anybody with the permission can send to an inbox; no handler sees it, and no loop ends."""
    stray = Message("stray")
    stray.reply = ""
    messages, _, _ = fetching([stray], [stray, Message("a")])

    assert [each.name for each in await messages(4)] == ["a"]
