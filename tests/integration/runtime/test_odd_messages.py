"""A message that no client of ours would send silences nobody: the next one is handled at once."""

import asyncio
import time
from collections.abc import Sequence

import pytest
import structlog

from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream
from support.polling import until

VERSION = b"NATS/1.0"
HEADERS = {
    "no version": b"\r\n\r\n",
    "a version that never ends": VERSION + b"\r\nfoo",
    "a status that is no text": VERSION + b" \xff\xfe\r\n\r\n",
    "a status that is no number": VERSION + b" abc\r\n\r\n",
    "the status of an end": VERSION + b" 404 No Messages\r\n\r\n",
    "the status of a consumer that is gone": VERSION + b" 409 Consumer Deleted\r\n\r\n",
    "a status as a header, of an end": VERSION + b"\r\nStatus: 404\r\n\r\n",
    "a status as a header, of a failure": VERSION + b"\r\nStatus: 409\r\n\r\n",
    "a heartbeat": VERSION + b" 100 Idle Heartbeat\r\n\r\n",
    "keys that are no text": VERSION + b"\r\n\xff\xfe: \xff\r\n\r\n",
    "a line without a colon": VERSION + b"\r\nfoo\r\n\r\n",
    "thousands": VERSION + b"\r\n" + b"".join(b"k%d: v\r\n" % n for n in range(60_000)) + b"\r\n",
    "a huge one": VERSION + b"\r\nk: " + b"v" * 900_000 + b"\r\n\r\n",
}
SUBJECTS = {
    "no UTF-8": b"\xff\xfe",
    "other letters and marks": 'ä."}{'.encode(),
    "a vertical tab and a number": b"a\x0b2",
    "a form feed, a NUL and blanks of Unicode": b"a\x0c\x00\x85\xa0",
    "4,000 bytes": b"a" * 4000,
}


async def _send_bytes(server: NatsServer, line: bytes) -> None:
    """Send bytes as a client of somebody else's, and wait until the server has read them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false,"headers":true}\r\n' + line + b"PING\r\n")
    await writer.drain()
    assert await asyncio.wait_for(reader.readline(), 10) == b"PONG\r\n"
    writer.close()


async def _survived(server: NatsServer, bus: Bus, own: OwnStream, line: bytes) -> list[str]:
    """Send a line; the subjects that were pulled, when the next message was pulled and heard."""
    pulled: list[str] = []
    heard: list[str] = []
    stopping = asyncio.Event()

    async def handle(deliveries: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        pulled.extend(delivery.subject for delivery in deliveries)
        return [Done()] * len(deliveries)

    async def hear(subject: str, _: bytes) -> None:
        heard.append(subject)

    await bus.listen(f"{own.subject}.>", hear)
    working = asyncio.create_task(
        consumer.handle_batches(
            bus, own.name, own.consumer, handle, service="t", size=10, stopping=stopping
        )
    )
    good = f"{own.subject}.good"
    with structlog.testing.capture_logs() as logs:
        await _send_bytes(server, line)
        async with connect([server.url], "good") as other:
            await other.publish(good, b"good")
        await until(lambda: good in pulled and good in heard, what="the next one", within_s=5)
    stopping.set()
    await working
    assert "nats.replaced" not in [entry["event"] for entry in logs]
    return pulled


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
async def test_an_odd_subject_is_handled_like_any_other(
    nats_server: NatsServer, bus: Bus, subject: bytes
) -> None:
    """An odd subject comes once, with marks in place of what is no text, and can be refused."""
    own = await OwnStream.make(bus)
    line = b"PUB %s.%s 1\r\nx\r\n" % (own.subject.encode(), subject)

    pulled = await _survived(nats_server, bus, own, line)

    shown = f"{own.subject}.{subject.decode(errors='replace')}"
    assert pulled == [shown, f"{own.subject}.good"]


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
async def test_odd_headers_change_nothing(
    nats_server: NatsServer, bus: Bus, headers: bytes
) -> None:
    """The message comes as if it had none, whatever they pretend; so does the next one."""
    own = await OwnStream.make(bus)
    size = (len(headers), len(headers) + 1)
    line = b"HPUB %s.odd %d %d\r\n%sx\r\n" % (own.subject.encode(), *size, headers)

    pulled = await _survived(nats_server, bus, own, line)

    # The server itself keeps no message whose headers are longer than 64 KiB.
    kept = [f"{own.subject}.odd"] if len(headers) < 65_536 else []
    assert pulled == [*kept, f"{own.subject}.good"]


async def test_a_reply_subject_that_is_no_text_is_harmless(
    nats_server: NatsServer, bus: Bus
) -> None:
    """No answer goes there, and the next message is handled."""
    own = await OwnStream.make(bus)
    line = b"PUB %s.odd \xff\x0b.x 1\r\nx\r\n" % own.subject.encode()

    assert f"{own.subject}.good" in await _survived(nats_server, bus, own, line)


async def test_megabytes_of_headers_do_not_hold_up_the_loop(
    nats_server: NatsServer, bus: Bus
) -> None:
    """Huge headers are left out unread, also without a stream in between; the payload is heard."""
    own = await OwnStream.make(bus)
    heard: list[bytes] = []

    async def hear(_: str, payload: bytes) -> None:
        heard.append(payload)

    await bus.listen(f"core.{own.subject}", hear)
    headers = HEADERS["thousands"]
    size = (len(headers), len(headers) + 1)
    line = b"HPUB core.%s %d %d\r\n%sx\r\n" % (own.subject.encode(), *size, headers)
    began = time.process_time()
    await _send_bytes(nats_server, line * 20)
    await until(lambda: len(heard) == 20, what="all are heard")

    # Read, they would take six seconds.
    assert time.process_time() - began < 2
