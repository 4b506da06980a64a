"""A route that is removed from its file, and comes back: soon, or after what waited was dropped."""

from datetime import timedelta
from typing import Any

import structlog

from imagedrift_notifier.adapters.database import open_database
from imagedrift_notifier.adapters.due_views import DueViews
from imagedrift_notifier.adapters.message_tables import GRACE, MessageTables
from imagedrift_notifier.core.claim import Claim
from imagedrift_notifier.core.content import MessageContent
from imagedrift_notifier.core.due_group import Topic
from imagedrift_notifier.core.route import Routes
from imagedrift_notifier.usecases.claiming import Claiming
from imagedrift_runtime.clock import now
from support.decided_fleet import REFERENCES
from support.notifier import execute, route
from support.operator import Operator

AGO = "UPDATE notify.routes SET removed_at = removed_at - $1::interval"
WAITING = [Topic("outdated", each, "sha256:x") for each in REFERENCES[:3]]


class File:
    """The routes of a file that is changed."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self) -> Routes:
        """Return the routes that it has now."""
        return Routes(routes={name: route(name) for name in self.names})


async def waiting(tables: MessageTables) -> None:
    """Write a message of one topic of a route, and let two topics of it be gathered."""
    since = (await tables.enter(["ops"]))["ops"].since
    await tables.begin(["ops"])
    await tables.claim("ops", since, [Claim(each, now()) for each in WAITING])
    async with tables.gathered(route(), WAITING[:1]) as gathered:
        await gathered.write(MessageContent("a title", "a text", {}), gathered.topics)


async def states(dsn: str) -> list[dict[str, Any]]:
    """Read what became of all messages."""
    return await Operator(dsn).ask("SELECT state, error FROM ops.messages")


async def test_what_waits_on_a_removed_route_is_dropped_and_told(dsn: str) -> None:
    """A route that comes back after an hour is a new one: nothing that waited before is sent."""
    file = File("ops", "dev")
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        claiming = Claiming(DueViews(database), tables, file)
        await claiming.states()
        await waiting(tables)
        file.names = ("dev",)
        assert (await claiming.states()).keys() == {"dev"}
        assert await states(dsn) == [{"state": "waiting", "error": None}]

        await execute(dsn, AGO, GRACE)
        with structlog.testing.capture_logs() as logs:
            await claiming.states()
        file.names = ("ops", "dev")
        back = (await claiming.states())["ops"]

        assert not back.is_begun
        assert back.now - back.since < timedelta(minutes=1)
        assert await tables.topics("ops") == []
        assert await tables.begin_sending("ops") is None
    [told] = [each for each in logs if each["event"] == "route.removed"]
    assert (told["route"], told["messages"], told["topics"]) == ("ops", 1, 2)
    assert await states(dsn) == [{"state": "failed", "error": "its route was removed"}]


async def test_a_route_that_is_missing_for_a_moment_loses_nothing(dsn: str) -> None:
    """A file that is half written, or older on another machine, drops no message."""
    file = File("ops")
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        claiming = Claiming(DueViews(database), tables, file)
        before = (await claiming.states())["ops"]
        await waiting(tables)
        file.names = ()
        assert await claiming.states() == {}
        [row] = await Operator(dsn).ask("SELECT removed_at FROM ops.routes")
        assert row["removed_at"] is not None
        await execute(dsn, AGO, GRACE - timedelta(minutes=1))
        file.names = ("ops",)
        back = (await claiming.states())["ops"]

        assert (back.since, back.is_begun) == (before.since, True)
        assert len(await tables.topics("ops")) == 2
        assert await tables.begin_sending("ops") is not None


async def test_a_route_that_comes_back_while_no_notifier_ran_is_new_as_well(dsn: str) -> None:
    """The notifier drops what waited before it enters the route again."""
    file = File("ops")
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        claiming = Claiming(DueViews(database), tables, file)
        await claiming.states()
        await waiting(tables)
        file.names = ()
        await claiming.states()
        await execute(dsn, AGO, timedelta(days=5))
        file.names = ("ops",)

        assert not (await claiming.states())["ops"].is_begun
        assert await tables.begin_sending("ops") is None
