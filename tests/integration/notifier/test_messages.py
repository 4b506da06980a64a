"""A tag moves: one message for each route, signed, with what people need to know."""

from pathlib import Path

from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import subjects
from support.decided_fleet import OTHER, REFERENCES
from support.notifier import (
    NGINX,
    Receiver,
    begun,
    move,
    notifier,
    publish_change,
    write_routes,
)
from support.operator import Operator
from support.polling import until

AT_ONCE = 'gather = "0s"'


async def test_a_moved_tag_is_told_once_on_each_route(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """A moved tag is one signed message on each route; another change of it is none."""
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE, chat=AT_ONCE)
    async with notifier(dsn, fresh_nats.url, routes):
        assert receiving.received == []
        await move(dsn, connected)
        await until(lambda: len(receiving.received) == 2, what="a message on each route")
        await publish_change(connected)
        await move(dsn, connected, REFERENCES[2])
        await until(lambda: len(receiving.received) == 4, what="the next messages")

    hooks = [each for each in receiving.received if "/hook/" in each.path]
    chats = [each for each in receiving.received if "/chat/" in each.path]
    assert [each.items[0]["reference"] for each in hooks] == [NGINX, REFERENCES[2]]
    assert len(chats) == 2
    assert all(each.is_signed for each in hooks)
    told = hooks[0].items[0]
    assert (told["kind"], told["target"], told["hosts"], told["running_hosts"]) == (
        "outdated",
        OTHER,
        3,
        3,
    )
    assert told["places"] == ["ber1/rack-1", "ber1/rack-10", "fra1/rack-1/slot-2"]
    assert told["link"].startswith("https://drift.example.org/image?reference=docker.io%2F")
    rows = await Operator(dsn).ask("SELECT route, state, attempts FROM ops.messages")
    assert (
        sorted(map(tuple, (r.values() for r in rows)))
        == [("chat", "sent", 1)] * 2 + [("ops", "sent", 1)] * 2
    )


async def is_consumed(bus: Bus) -> bool:
    """Tell whether the notifier has acknowledged every change."""
    lag = await bus.lag(subjects.STREAM_CHANGED, subjects.CONSUMER_NOTIFIER)
    return lag.pending == lag.in_flight == 0


async def test_without_a_route_the_notifier_is_ready_and_sends_nothing(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """The notifier takes changes off the stream; a route that is added later tells newer ones."""
    routes = write_routes(tmp_path, receiving.url)
    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        await until(lambda: is_consumed(connected), what="the change is taken")
        write_routes(tmp_path, receiving.url, ops=AT_ONCE)
        await begun(dsn)
        await move(dsn, connected, REFERENCES[2])
        await until(lambda: receiving.received, what="a message")

    assert [item["reference"] for each in receiving.received for item in each.items] == [
        REFERENCES[2]
    ]
