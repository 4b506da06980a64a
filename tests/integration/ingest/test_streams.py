"""The streams that ingest reads: their epoch, their newest messages, their acknowledgements."""

from datetime import timedelta

import pytest

from imagedrift_ingest.adapters.jetstream.streams import (
    EPOCH_KEPT_S,
    READ_BY_INGEST,
    SourceStream,
    reset_consumers,
)
from imagedrift_ingest.errors import StreamUnavailable
from imagedrift_schemas import subjects
from support.ingest import Fleet, image
from support.nats_client import jetstream
from support.virtual_time import StillClock

SUBJECT = subjects.inventory("fra1", "web-1")


def inventories(agents: Fleet, clock: StillClock | None = None) -> SourceStream:
    """The stream of inventories."""
    return SourceStream(agents.bus, subjects.STREAM_INVENTORY, clock or StillClock())


async def test_the_epoch_is_when_the_stream_was_made(agents: Fleet) -> None:
    """The epoch is looked up now and then: a stream that was made anew is noticed after a while."""
    clock = StillClock()
    stream = inventories(agents, clock)
    created = await agents.bus.created(subjects.STREAM_INVENTORY)

    first = await stream.epoch()
    config = (await jetstream(agents.bus).stream_info(subjects.STREAM_INVENTORY)).config
    await jetstream(agents.bus).delete_stream(subjects.STREAM_INVENTORY)
    await jetstream(agents.bus).add_stream(config)
    assert await stream.epoch() == first == int(created.timestamp() * 1_000_000)
    clock.at += EPOCH_KEPT_S + 1
    assert await stream.epoch() > first


async def test_a_message_is_newest_by_its_sequence_and_its_moment(agents: Fleet) -> None:
    """A stream that went back gives a sequence to another message."""
    stream = inventories(agents)
    await agents.has("web-1", image())
    newest = await agents.bus.newest(subjects.STREAM_INVENTORY, SUBJECT)
    assert newest is not None

    assert await stream.is_newest(SUBJECT, newest.seq, newest.stored_at)
    assert not await stream.is_newest(SUBJECT, newest.seq + 1, newest.stored_at)
    earlier = newest.stored_at - timedelta(seconds=1)
    assert not await stream.is_newest(SUBJECT, newest.seq, earlier)
    other = subjects.inventory("fra1", "web-2")
    assert not await stream.is_newest(other, newest.seq, newest.stored_at)


async def test_all_streams_can_be_read_again_from_their_start(agents: Fleet) -> None:
    """Nothing counts as acknowledged after that."""
    assert await reset_consumers(agents.bus) == READ_BY_INGEST
    assert (await inventories(agents).acknowledged())[1] == 0


async def test_a_stream_that_is_not_there_is_unavailable(agents: Fleet) -> None:
    """Every method says so in one way."""
    await jetstream(agents.bus).delete_stream(subjects.STREAM_INVENTORY)
    stream = inventories(agents)

    with pytest.raises(StreamUnavailable):
        await stream.epoch()
    with pytest.raises(StreamUnavailable):
        await stream.acknowledged()
    with pytest.raises(StreamUnavailable):
        await stream.reread_all()
