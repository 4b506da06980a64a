"""Publishing: every way in which a message is stored, refused, or lost, has a name."""

import asyncio
import time
from typing import Any

import pytest

from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.errors import NoAnswer, NotPublished
from imagedrift_runtime.nats.results import AlreadyThere, Stored
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream, opened
from support.polling import until

SINGLE: dict[str, Any] = {
    "max_msgs_per_subject": 1,
    "discard": "new",
    "discard_new_per_subject": True,
}


async def test_a_stored_message_has_its_sequence(bus: Bus) -> None:
    """Each message is confirmed with the stream's next sequence."""
    own = await OwnStream.make(bus)

    first = await bus.publish(f"{own.subject}.a", b"1")
    second = await bus.publish(f"{own.subject}.b", b"2")

    assert (first, second) == (Stored(1), Stored(2))


async def test_a_taken_subject_is_an_outcome_and_no_error(bus: Bus) -> None:
    """A subject that is taken says so, and is free again after its message's time."""
    own = await OwnStream.make(bus, allow_msg_ttl=True, **SINGLE)
    subject = f"{own.subject}.a"

    first = await bus.publish(subject, b"1", ttl_s=0.4)  # kept for the least there is: 1 s
    second = await bus.publish(subject, b"2", ttl_s=1)
    began = time.monotonic()
    await until(lambda: _is_stored(bus, subject), what="the subject is free again")

    assert (first, second) == (Stored(1), AlreadyThere())
    assert time.monotonic() - began < 5


async def _is_stored(bus: Bus, subject: str) -> bool:
    return isinstance(await bus.publish(subject, b"3", ttl_s=1), Stored)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_bytes": 300}, "maximum bytes exceeded"),
        ({"max_msgs": 1}, "maximum messages exceeded"),
    ],
)
async def test_a_full_stream_is_an_error_and_no_taken_subject(
    bus: Bus, limit: dict[str, Any], words: str
) -> None:
    """JetStream has one code for both: a message that was not stored must not count as there."""
    own = await OwnStream.make(bus, discard="new", **limit)
    await bus.publish(f"{own.subject}.a", b"x" * 200)

    with pytest.raises(NotPublished, match=words):
        await bus.publish(f"{own.subject}.b", b"x" * 200)


async def test_one_message_id_is_stored_once(bus: Bus) -> None:
    """A second message with the same id is the first one."""
    own = await OwnStream.make(bus)

    answers = [await bus.publish(f"{own.subject}.a", b"1", message_id="x") for _ in range(2)]

    assert answers == [Stored(1), Stored(1)]


async def test_a_subject_without_a_stream_is_not_published(bus: Bus) -> None:
    """Nothing stores it: that is told at once, with the subject."""
    with pytest.raises(NotPublished, match=r"nowhere\.at\.all: .*no response"):
        await bus.publish("nowhere.at.all", b"x")


async def test_a_malformed_subject_is_not_published(bus: Bus) -> None:
    """Text that is no subject is refused before it reaches the wire."""
    with pytest.raises(NotPublished, match="a b"):
        await bus.publish("a b", b"x")


async def test_a_message_beyond_the_servers_limit_is_not_published(bus: Bus) -> None:
    """A payload that the server would not take is refused, and the connection lives on."""
    own = await OwnStream.make(bus)

    with pytest.raises(NotPublished, match="payload"):
        await bus.publish(f"{own.subject}.a", b"x" * (bus.max_payload + 1))

    assert await bus.publish(f"{own.subject}.a", b"x") == Stored(1)


async def test_a_refused_permission_is_named() -> None:
    """Without permission to publish, the error tells so: nats-py itself sees only a time-out."""
    user = '{ user: a, password: a, permissions: { publish: { deny: ["secret.>"] } } }'
    async with (
        NatsServer.start(config_extra=f"authorization {{ users: [ {user} ] }}") as server,
        opened(server.url.replace("//", "//a:a@"), call_within_s=0.5) as (bus, _),
    ):
        with pytest.raises(NotPublished, match=r"(?i)permissions violation.*secret\.x"):
            await bus.publish("secret.x", b"x")
        with pytest.raises(NotPublished) as later:
            await bus.publish("nowhere.x", b"x")

    assert "ermissions" not in str(later.value), "an old complaint is not the reason of a new error"


async def test_without_a_spool_a_publish_fails_at_once(fresh_nats: NatsServer) -> None:
    """While disconnected nothing is kept by the client, and nothing arrives later."""
    async with connect([fresh_nats.url], "test", spool=False) as bus:
        own = await OwnStream.make(bus)
        fresh_nats.kill()
        await until(lambda: not bus.server, what="the client saw the end")

        began = time.monotonic()
        with pytest.raises(NotPublished, match="buffer limit"):
            await bus.publish(f"{own.subject}.a", b"1")
        with pytest.raises(NotPublished):
            await bus.say("any.subject", b"1")
        took = time.monotonic() - began

        await fresh_nats.restart()
        await until(lambda: bus.server, what="reconnected")
        stored = await bus.publish(f"{own.subject}.b", b"2")

    assert took < 2, "with a spool it takes the five seconds of a call"
    assert stored == Stored(1), "what failed has not arrived later"


async def test_a_request_that_nobody_serves_fails_at_once(bus: Bus) -> None:
    """There is no waiting for nobody."""
    with pytest.raises(NoAnswer, match=r"t\.req\.nobody: nobody serves it"):
        await asyncio.wait_for(bus.request("t.req.nobody", b""), 2)


async def test_a_request_that_is_not_answered_in_time_fails(bus: Bus) -> None:
    """Somebody listens and says nothing."""

    async def silent(subject: str, payload: bytes) -> None:
        """Say nothing."""

    await bus.listen("t.req.silent", silent)

    with pytest.raises(NoAnswer, match="timeout"):
        await bus.request("t.req.silent", b"", timeout=0.2)


async def test_a_bus_tells_its_server_while_it_has_one(fresh_nats: NatsServer) -> None:
    """The address is told without the password that it was given with."""
    url = fresh_nats.url.replace("//", "//me:word@")
    async with connect([url], "test") as bus:
        assert bus.server == f"127.0.0.1:{fresh_nats.port}"
        assert bus.max_payload == 1024 * 1024
        fresh_nats.kill()
        await until(lambda: not bus.server, what="the client saw the end")


async def test_what_was_said_with_headers_is_heard_after_a_flush(
    bus: Bus, nats_server: NatsServer
) -> None:
    """A message that no stream has to keep is sent, with its headers, in its order."""
    own = await OwnStream.make(bus)

    await bus.say(f"{own.subject}.a", b"x", {"Nats-Msg-Id": "once"})
    await bus.say(f"{own.subject}.a", b"x", {"Nats-Msg-Id": "once"})
    await bus.flush()

    # The server answers a flush before the stream has stored what was sent.
    await until(own.waiting, "the message is stored")
    await bus.publish(f"{own.subject}.b", b"the last")
    assert await own.waiting() == 2, "the second is known by its header, and dropped"
