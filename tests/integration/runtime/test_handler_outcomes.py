"""Outcomes of handlers: each decides about its message, and so does a defect."""

import time

import pytest
import structlog

from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject, Retry
from imagedrift_runtime.nats.results import Stored
from imagedrift_schemas import codec
from imagedrift_schemas.v1 import DeadLetter
from support.nats_bus import OwnStream
from support.nats_client import jetstream
from support.polling import until
from support.pulling import Recorder, pulling


async def test_retry_waits_for_its_delay(bus: Bus) -> None:
    """The message comes again, and not before it is due."""
    own = await OwnStream.make(bus)
    await own.fill(1)
    times: list[float] = []

    async def handler(delivery: Delivery) -> HandlerOutcome:
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


async def test_a_letter_that_cannot_be_written_loses_nothing(bus: Bus) -> None:
    """Without its dead letter a message is not terminated: it comes again until that is stored."""
    own = await OwnStream.make(bus, consumer={"ack_wait": 0.3})
    await own.fill(1)
    handler = Recorder(*[Reject("invalid")] * 100)

    def failures() -> list[str]:
        return [each["event"] for each in logs if each["event"] == "acknowledgement.failed"]

    with structlog.testing.capture_logs() as logs:
        async with pulling(own, handler):
            await until(failures, what="no stream takes the letter")
            await own.take_dead_letters()
            await until(lambda: _letters(own), what="the letter is there")

    assert len(handler.seen) == len(failures()) + 1
    assert [each.deliveries for each in handler.seen][:2] == [1, 2]


@pytest.mark.parametrize(
    "wrong", [ValueError("planted"), None, "done"], ids=["raises", "returns nothing", "a text"]
)
async def test_a_defect_loses_nothing_and_stops_nothing(bus: Bus, wrong: object) -> None:
    """A handler that raises, or returns no outcome, gets its message again; others are served."""
    own = await OwnStream.make(bus)
    await own.fill(2)
    handler = Recorder(wrong)

    with structlog.testing.capture_logs() as logs:
        async with pulling(own, handler, slots=1, defect_again_s=0.1):
            await until(lambda: len(handler.seen) == 3, what="one came again")

    assert handler.payloads == [b"0", b"1", b"0"]
    assert [entry["event"] for entry in logs].count("handler.failed") == 1


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

    async def handler(delivery: Delivery) -> HandlerOutcome:
        seen.append(delivery.payload)
        return Retry("poisoned", 0.05) if delivery.payload == b"poison" else Done()

    async with pulling(own, handler, slots=1):
        await until(lambda: b"good" in seen, what="the other one is served")
        await until(lambda: _is_stored(bus, f"{own.subject}.poison"), what="its subject is free")
        await until(lambda: b"new" in seen, what="the new message is served")


async def _is_stored(bus: Bus, subject: str) -> bool:
    return isinstance(await bus.publish(subject, b"new", ttl_s=60), Stored)
