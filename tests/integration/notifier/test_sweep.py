"""Images that become due without a changed verdict: found, told once, and not what was before."""

from pathlib import Path

import asyncpg

from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from support.decided_fleet import NEW, REFERENCES, Decided, decide
from support.notifier import FAIL, NGINX, Receiver, execute, notifier, write_routes
from support.polling import until

AT_ONCE = 'gather = "0s"'
RECOVER = (
    "UPDATE fleet.answers SET failure = NULL, error = NULL, failures = 0, failing_since = NULL"
)


async def decided(dsn: str, decision: Decided) -> int:
    """Decide something, and return its key."""
    connection = await asyncpg.connect(dsn)
    try:
        return await decide(connection, decision)
    finally:
        await connection.close()


async def test_what_is_excused_is_told_when_the_excuse_ends(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """A new route tells nothing of the backlog; what becomes due later it does."""
    excuse = await decided(dsn, Decided(NGINX, "ignore"))
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE)
    async with notifier(dsn, fresh_nats.url, routes):
        assert receiving.received == []
        await execute(dsn, "SELECT ops.undo($1, 'over')", excuse)
        await until(lambda: receiving.received, what="a message")

    [item] = receiving.received[0].items
    assert (item["reference"], item["target"], item["hosts"]) == (NGINX, NEW, 3)
    assert len(receiving.received) == 1


async def test_a_route_with_its_backlog_tells_all_that_is_due(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """The backlog is told where a route asks for it."""
    routes = write_routes(tmp_path, receiving.url, ops=f"{AT_ONCE}\nbacklog = true")
    async with notifier(dsn, fresh_nats.url, routes):
        await until(lambda: len(receiving.received) == 5, what="five messages")

    told = {item["reference"] for each in receiving.received for item in each.items}
    assert told == set(REFERENCES)


async def test_newer_versions_that_are_asked_for_are_told(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """A decision that asks for minor versions makes one due."""
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE)
    async with notifier(dsn, fresh_nats.url, routes):
        await decided(dsn, Decided(NGINX, "within", "minor"))
        await until(lambda: receiving.received, what="a message")

    [item] = receiving.received[0].items
    assert (item["kind"], item["target"], item["to"]) == ("version", "1.29", "1.29")


async def test_a_registry_that_fails_is_told_once_for_each_failure_and_only_where_asked(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """Errors are a kind of their own; after a recovery the next failure is told within an hour."""
    errors = f"{AT_ONCE}\nerrors = true\nverdict = []\nversions = false\nbacklog = true"
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE, trouble=errors)
    async with notifier(dsn, fresh_nats.url, routes):
        await execute(dsn, FAIL)
        await until(lambda: receiving.received, what="a message")
        await execute(dsn, RECOVER)
        await execute(dsn, "UPDATE notify.claims SET claimed_at = now() - interval '61 minutes'")
        gone = "SELECT count(*) = 0 FROM notify.claims WHERE kind = 'error'"
        connection = await asyncpg.connect(dsn)
        await until(lambda: connection.fetchval(gone), what="the recovery is noted")
        await connection.close()
        await execute(dsn, FAIL)
        await until(lambda: len(receiving.received) == 2, what="the next failure")

    for each in receiving.received:
        assert each.read["data"]["route"] == "trouble"
        [item] = each.items
        assert (item["kind"], item["reference"], item["target"]) == ("error", "ghcr.io", "denied")
        assert item["detail"] == "no entry"
