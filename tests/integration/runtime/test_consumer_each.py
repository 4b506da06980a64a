"""Pulling one by one: what a handler returns, or fails to return, decides about its message."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_runtime.nats.outcomes import Done, Outcome, Reject, Retry
from imagedrift_runtime.nats.results import Stored
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec
from imagedrift_schemas.v1 import DeadLetter
from support.nats_bus import OwnStream
from support.nats_client import jetstream
from support.polling import until


@asynccontextmanager
async def pulling(
    own: OwnStream, handler: consumer.Handler, *, slots: int = 4, ack_wait_s: float = 30
) -> AsyncIterator[asyncio.Event]:
    """Run a loop for the length of the context; it must end by itself when asked to."""
    stopping = asyncio.Event()
    loop = consumer.handle_each(
        own.bus,
        own.name,
        own.consumer,
        handler,
        service=own.name,
        slots=slots,
        stopping=stopping,
        ack_wait_s=ack_wait_s,
    )
    task = asyncio.create_task(loop)
    try:
        yield stopping
        stopping.set()
        await asyncio.wait_for(task, 5)
    finally:
        task.cancel()


class Recorder:
    """A handler that notes what it gets and answers from a list; `Done` when that is at its end."""

    def __init__(self, *answers: object) -> None:
        self.seen: list[Delivery] = []
        self._answers = list(answers)

    async def __call__(self, delivery: Delivery) -> Outcome:
        """Note, and answer."""
        self.seen.append(delivery)
        answer = self._answers.pop(0) if self._answers else Done()
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]  # a wrong one is what some tests are about

    @property
    def payloads(self) -> list[bytes]:
        """The deliveries, in order."""
        return [each.payload for each in self.seen]


async def test_done_is_acknowledged_and_the_server_has_said_so(bus: Bus) -> None:
    """Once the loop has ended, no message is in flight and none waits."""
    own = await OwnStream.make(bus)
    await own.fill(10)
    handler = Recorder()

    async with pulling(own, handler):
        await until(lambda: len(handler.seen) == 10, what="all were handled")

    assert sorted(handler.payloads) == [b"%d" % n for n in range(10)]
    assert (await own.waiting(), await own.in_flight()) == (0, 0)


async def test_a_delivery_tells_where_it_came_from(bus: Bus) -> None:
    """Stream, sequence and the count of deliveries come with the payload."""
    own = await OwnStream.make(bus)
    await own.fill(1)
    handler = Recorder(Retry("later", 0.05))

    async with pulling(own, handler):
        await until(lambda: len(handler.seen) == 2, what="delivered twice")

    first, second = handler.seen
    assert (first.stream, first.stream_seq, first.deliveries) == (own.name, 1, 1)
    assert (second.stream_seq, second.deliveries) == (1, 2)
    assert first.stored_at.utcoffset() is not None


async def test_retry_waits_for_its_delay(bus: Bus) -> None:
    """The message comes again, and not before it is due."""
    own = await OwnStream.make(bus)
    await own.fill(1)
    times: list[float] = []

    async def handler(delivery: Delivery) -> Outcome:
        times.append(time.monotonic())
        return Retry("later", 0.4) if len(times) == 1 else Done()

    async with pulling(own, handler):
        await until(lambda: len(times) == 2, what="delivered twice")

    assert times[1] - times[0] >= 0.35


async def test_reject_writes_a_dead_letter_and_ends_the_message(bus: Bus) -> None:
    """The letter has the reason, the place and the payload; the message does not come again."""
    own = await OwnStream.make(bus, dead_letters=True)
    await own.fill(1)

    async with pulling(own, Recorder(Reject("invalid", "field: wrong"))):
        await until(lambda: _letters(own), what="the letter is there")
        await until(lambda: _none_in_flight(own), what="the message is terminated")

    (letter,) = await _letters(own)
    assert (letter.service, letter.reason, letter.error) == (own.name, "invalid", "field: wrong")
    assert (letter.subject, letter.stream) == (f"{own.subject}.0", own.name)
    assert (letter.stream_seq, letter.payload) == (1, b"0")


async def test_a_dead_letter_is_bounded_and_always_text(bus: Bus) -> None:
    """Neither a huge payload nor an error that is no text keeps the letter from being written."""
    own = await OwnStream.make(bus, dead_letters=True)
    await bus.publish(f"{own.subject}.big", b"x" * 200_000)

    async with pulling(own, Recorder(Reject("invalid", "\ud800" * 5_000))):
        await until(lambda: _letters(own), what="the letter is there")

    (letter,) = await _letters(own)
    assert len(letter.payload) == 64 * 1024
    assert letter.error.isprintable()
    assert 1_990 < len(letter.error.encode()) <= 2_000


async def _letters(own: OwnStream) -> list[DeadLetter]:
    info = await jetstream(own.bus).stream_info(own.name, subjects_filter="drift.v1.dead.*")
    if not info.state.subjects:
        return []
    message = await jetstream(own.bus).get_last_msg(own.name, f"drift.v1.dead.{own.name}")
    return [codec.decode(message.data, DeadLetter)] * sum(info.state.subjects.values())


async def _none_in_flight(own: OwnStream) -> bool:
    return await own.in_flight() == 0


async def test_a_letter_that_cannot_be_written_loses_nothing(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its dead letter a message is not terminated: it comes again, and is buried then."""
    own = await OwnStream.make(bus, dead_letters=True, consumer={"ack_wait": 0.3})
    await own.fill(1)
    handler = Recorder(*[Reject("invalid")] * 2)
    publish = bus.publish
    failures = [NotPublished("planted")]

    async def failing_once(*arguments: object, **options: object) -> object:
        if failures:
            raise failures.pop()
        return await publish(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(bus, "publish", failing_once)
    with structlog.testing.capture_logs() as logs:
        async with pulling(own, handler):
            await until(lambda: _letters(own), what="the letter is there")

    assert [each.deliveries for each in handler.seen] == [1, 2]
    assert "acknowledgement.failed" in [entry["event"] for entry in logs]


@pytest.mark.parametrize(
    "wrong", [ValueError("planted"), None, "done"], ids=["raises", "returns nothing", "a text"]
)
async def test_a_defect_loses_nothing_and_stops_nothing(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, wrong: object
) -> None:
    """A handler that raises, or returns no outcome, gets its message again; others are served."""
    monkeypatch.setattr(consumer, "DEFECT_AGAIN_S", 0.1)
    own = await OwnStream.make(bus)
    await own.fill(2)
    handler = Recorder(wrong)

    with structlog.testing.capture_logs() as logs:
        async with pulling(own, handler, slots=1):
            await until(lambda: len(handler.seen) == 3, what="one came again")

    assert handler.payloads == [b"0", b"1", b"0"]
    assert [entry["event"] for entry in logs].count("handler.failed") == 1


async def test_a_killed_handler_leaves_its_message_to_another(bus: Bus) -> None:
    """A replica that dies with a message in hand has not lost it."""
    own = await OwnStream.make(bus, consumer={"ack_wait": 0.3})
    await own.fill(1)
    begun = asyncio.Event()

    async def hanging(delivery: Delivery) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        return Done()

    loop = consumer.handle_each(
        bus, own.name, own.consumer, hanging, service="t", slots=1, stopping=asyncio.Event()
    )
    killed = asyncio.create_task(loop)
    await asyncio.wait_for(begun.wait(), 5)
    killed.cancel()

    handler = Recorder()
    async with pulling(own, handler):
        await until(lambda: handler.seen, what="delivered to the other")

    assert handler.seen[0].deliveries == 2


async def test_a_long_handler_keeps_its_message(bus: Bus) -> None:
    """Work that takes several times the acknowledgement wait is not given to another meanwhile."""
    own = await OwnStream.make(bus, consumer={"ack_wait": 0.3})
    await own.fill(1)
    begun: list[int] = []
    ended = asyncio.Event()

    async def slow(delivery: Delivery) -> Outcome:
        begun.append(delivery.deliveries)
        await asyncio.sleep(1.2)
        ended.set()
        return Done()

    async with pulling(own, slow, slots=4, ack_wait_s=0.3):  # three slots wait for it meanwhile
        await asyncio.wait_for(ended.wait(), 5)

    assert begun == [1]
    assert (await own.waiting(), await own.in_flight()) == (0, 0)


async def test_what_does_not_fit_goes_to_another_replica(bus: Bus, nats_server: NatsServer) -> None:
    """A replica holds as many messages as it has slots; the rest is there for others."""
    own = await OwnStream.make(bus)
    await own.fill(6)
    release = asyncio.Event()
    first: list[bytes] = []

    async def blocked(delivery: Delivery) -> Outcome:
        first.append(delivery.payload)
        await release.wait()
        return Done()

    second = Recorder()
    async with pulling(own, blocked, slots=2):
        await until(lambda: len(first) == 2, what="the first is full")
        assert await own.in_flight() == 2, "it holds no more than it has slots"
        async with connect([nats_server.url], "other") as other:
            own_other = OwnStream(other)
            own_other.name, own_other.consumer = own.name, own.consumer
            async with pulling(own_other, second, slots=2):
                await until(lambda: len(second.seen) == 4, what="the other did the rest")
        release.set()

    assert sorted([*first, *second.payloads]) == [b"%d" % n for n in range(6)]


async def test_a_lane_that_is_full_goes_on_as_soon_as_there_is_room(
    bus: Bus, nats_server: NatsServer
) -> None:
    """Where replicas have more slots than the lane lets through, none sits on what it got."""
    own = await OwnStream.make(bus, consumer={"max_ack_pending": 3})
    await own.fill(60)
    handler = Recorder()

    async with connect([nats_server.url], "other") as other:
        own_other = OwnStream(other)
        own_other.name, own_other.consumer = own.name, own.consumer
        began = time.monotonic()
        async with pulling(own, handler, slots=8), pulling(own_other, handler, slots=8):
            await until(lambda: len(handler.seen) == 60, what="all are handled")
        took = time.monotonic() - began

    assert took < 4, "one fetch that waits for its time to be over takes five seconds"


async def test_stopping_waits_for_handlers_and_fetches_no_more(bus: Bus) -> None:
    """Messages in hand are finished and acknowledged; the others are left."""
    own = await OwnStream.make(bus)
    await own.fill(5)
    release = asyncio.Event()
    handled: list[bytes] = []

    async def blocked(delivery: Delivery) -> Outcome:
        await release.wait()
        handled.append(delivery.payload)
        return Done()

    async with pulling(own, blocked, slots=2) as stopping:
        await until(lambda: _in_flight_is(own, 2), what="two are in hand")
        stopping.set()
        release.set()

    assert len(handled) == 2
    assert (await own.waiting(), await own.in_flight()) == (3, 0)


async def _in_flight_is(own: OwnStream, count: int) -> bool:
    return await own.in_flight() == count


async def test_a_poison_message_blocks_neither_its_lane_nor_for_ever_its_subject(bus: Bus) -> None:
    """A message that fails always lets the others pass, and its subject is free with its time."""
    own = await OwnStream.make(
        bus,
        allow_msg_ttl=True,
        max_msgs_per_subject=1,
        discard="new",
        discard_new_per_subject=True,
        consumer={"ack_wait": 0.2},
    )
    await bus.publish(f"{own.subject}.poison", b"poison", ttl_s=1)
    await bus.publish(f"{own.subject}.good", b"good", ttl_s=60)
    seen: list[bytes] = []

    async def handler(delivery: Delivery) -> Outcome:
        seen.append(delivery.payload)
        return Retry("poisoned", 0.05) if delivery.payload == b"poison" else Done()

    async with pulling(own, handler, slots=1):
        await until(lambda: b"good" in seen, what="the other one is served")
        await until(lambda: _is_stored(bus, f"{own.subject}.poison"), what="its subject is free")
        await until(lambda: b"new" in seen, what="the new message is served")


async def _is_stored(bus: Bus, subject: str) -> bool:
    return isinstance(await bus.publish(subject, b"new", ttl_s=60), Stored)


async def test_messages_flow_again_after_the_server_was_killed(fresh_nats: NatsServer) -> None:
    """A loop that was at work when the server died goes on when it is back."""
    async with connect([fresh_nats.url], "test") as bus:
        own = await OwnStream.make(bus)
        handler = Recorder()
        async with pulling(own, handler):
            await own.fill(1)
            await until(lambda: handler.seen, what="the first one")
            fresh_nats.kill()
            await until(lambda: not bus.server, what="the client saw the end")
            await fresh_nats.restart()
            await until(lambda: bus.server, what="reconnected")
            await bus.publish(f"{own.subject}.after", b"after")
            await until(lambda: b"after" in handler.payloads, what="the one after", within_s=15)
