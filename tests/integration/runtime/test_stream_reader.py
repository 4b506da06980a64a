"""Reading a stream by its sequences: from a moment on, without a gap, without a consumer."""

import asyncio
from datetime import timedelta

import pytest

from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.nats.stream_reader import StreamReader
from support.nats_bus import OwnStream
from support.nats_client import jetstream


async def read_all(reader: StreamReader) -> list[bytes]:
    """Read until there is no more."""
    read = []
    while message := await reader.read():
        read.append(message.payload)
    return read


def reading(own: OwnStream) -> StreamReader:
    """A reader of all that the stream holds."""
    return StreamReader(own.bus, own.name, f"{own.subject}.>")


async def published(own: OwnStream, *payloads: bytes) -> None:
    """Store messages in this order."""
    for payload in payloads:
        await own.bus.publish(f"{own.subject}.x", payload)


async def test_what_comes_later_is_read_once_and_in_order(bus: Bus) -> None:
    """Without a moment reading begins at the end."""
    own = await OwnStream.make(bus)
    await published(own, b"before")
    reader = reading(own)

    oldest = await reader.start()
    await published(own, b"1", b"2")

    assert oldest is not None
    assert oldest.payload == b"before"
    assert await read_all(reader) == [b"1", b"2"]
    assert await reader.read() is None


async def test_reading_begins_at_a_moment(bus: Bus) -> None:
    """The moment of a message is that at which the stream took it in."""
    own = await OwnStream.make(bus)
    await published(own, *(b"%d" % n for n in range(9)))
    every = reading(own)
    oldest = await every.start()
    assert oldest is not None
    await every.start(oldest.stored_at - timedelta(days=1))
    kept = [await every.read() for _ in range(9)]

    for at, message in enumerate(kept):
        assert message is not None
        later = reading(own)
        await later.start(message.stored_at)
        assert await read_all(later) == [b"%d" % n for n in range(at, 9)]
    assert message is not None
    await later.start(message.stored_at + timedelta(days=1))
    assert await read_all(later) == []


async def test_what_was_dropped_is_counted(bus: Bus) -> None:
    """Messages that are gone before they were read are no silent gap."""
    own = await OwnStream.make(bus)
    reader = reading(own)
    assert await reader.start() is None
    await published(own, b"1", b"2", b"3")
    await jetstream(bus).purge_stream(own.name, keep=1)

    assert await read_all(reader) == [b"3"]
    assert reader.dropped == 2


async def test_a_stream_that_was_made_anew_is_read_from_its_beginning(bus: Bus) -> None:
    """The sequences of a stream that was made anew begin anew, too."""
    own = await OwnStream.make(bus)
    await published(own, b"1", b"2")
    reader = reading(own)
    await reader.start()
    js = jetstream(bus)
    config = (await js.stream_info(own.name)).config
    await js.delete_stream(own.name)
    await js.add_stream(config)
    await published(own, b"new")

    assert await asyncio.wait_for(read_all(reader), 10) == [b"new"]


async def test_a_stream_that_is_missing_names_the_command(bus: Bus) -> None:
    """A missing stream is a fault of the set-up."""
    with pytest.raises(NoBus, match="imagedrift streams"):
        await StreamReader(bus, "NONE", "none").start()
