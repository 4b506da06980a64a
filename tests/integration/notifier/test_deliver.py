"""A notifier that is killed: one message for each route, whatever it was doing.

A trigger of the test holds the process at a statement, so that it is killed right there. The
statement is then undone, as where the server sees first that the client is gone, or carried out.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest

from imagedrift_notifier.adapters.message_tables import LEASE
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.processes import ServiceProcess
from support.notifier import (
    TOKEN,
    Receiver,
    execute,
    move,
    notifier,
    notifier_process,
    publish_change,
    write_routes,
)
from support.operator import Operator
from support.polling import until

AT_ONCE = 'gather = "0s"'
LOCK_KEY = 4711
"""The lock that holds a statement."""
HOLD = f"""
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock({LOCK_KEY});
  RETURN NEW;
END $$;
GRANT EXECUTE ON FUNCTION public.hold(), pg_advisory_xact_lock(bigint) TO PUBLIC;
"""
WAITING = f"""
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND objid = {LOCK_KEY} AND NOT granted AND pid <> pg_backend_pid()
"""
POINTS = {
    "claiming": "BEFORE INSERT ON notify.claims FOR EACH ROW WHEN (NEW.send_at IS NOT NULL)",
    "composing": "BEFORE INSERT ON notify.messages FOR EACH ROW",
    "marking": "BEFORE UPDATE ON notify.messages FOR EACH ROW WHEN (NEW.state = 'sending')",
    "ending": "BEFORE UPDATE ON notify.messages FOR EACH ROW WHEN (NEW.state = 'sent')",
}
"""Statements at which a process is killed."""
DIED_LONG_AGO = """
UPDATE notify.messages SET leased_until = now() - interval '1 second' WHERE state = 'sending'
"""


@asynccontextmanager
async def hold_statement(dsn: str, point: str) -> AsyncIterator[asyncpg.Connection]:
    """Hold every statement of a point for the length of the context."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(HOLD)
        await connection.execute(
            f"CREATE TRIGGER held {POINTS[point]} EXECUTE FUNCTION public.hold()"
        )
        await connection.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        yield connection
    finally:
        await connection.close()


async def kill_at_statement(
    connection: asyncpg.Connection, process: ServiceProcess, statement_is: str
) -> None:
    """Kill the process while its statement is held; then undo it, or let it be carried out."""
    await until(lambda: connection.fetch(WAITING), what="a statement is held")
    process.kill()
    if statement_is == "undone":
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS w")
        await until(lambda: _none_waits(connection), what="the statement is undone")
    table = "claims" if await _is_on_claims(connection) else "messages"
    await connection.execute(f"SELECT pg_advisory_unlock({LOCK_KEY})")
    await connection.execute(f"DROP TRIGGER held ON notify.{table}")


async def _none_waits(connection: asyncpg.Connection) -> bool:
    return not await connection.fetch(WAITING)


async def _is_on_claims(connection: asyncpg.Connection) -> bool:
    sql = "SELECT tgrelid = 'notify.claims'::regclass FROM pg_trigger WHERE tgname = 'held'"
    return bool(await connection.fetchval(sql))


async def delivered_messages(dsn: str, topics: int = 1) -> list[dict[str, Any]]:
    """Wait until nothing is on its way any more, and return the messages."""
    operator = Operator(dsn)

    async def rows() -> list[dict[str, Any]]:
        found = await operator.ask("SELECT * FROM ops.messages ORDER BY created_at")
        done = [each for each in found if each["state"] in ("sent", "doubtful")]
        return found if len(found) == len(done) >= topics else []

    found: list[dict[str, Any]] = await until(rows, what="every message is sent or doubtful")
    return found


@pytest.mark.parametrize("statement_is", ["undone", "carried out"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_at_any_statement_leaves_one_message(
    dsn: str,
    fresh_nats: NatsServer,
    connected: Bus,
    receiving: Receiver,
    tmp_path: Path,
    point: str,
    statement_is: Literal["undone", "carried out"],
) -> None:
    """Killed while it claims, composes, marks or ends: the receiver has one message."""
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE)
    async with (
        notifier_process(dsn, fresh_nats.url, routes, tmp_path / "log") as process,
        hold_statement(dsn, point) as held,
    ):
        await move(dsn, connected)
        await kill_at_statement(held, process, statement_is)
    await execute(dsn, DIED_LONG_AGO)

    async with notifier(dsn, fresh_nats.url, routes):
        await publish_change(connected)
        [row] = await delivered_messages(dsn)

    assert row["state"] == "sent"
    assert receiving.ids == {row["message_id"]}


@pytest.mark.parametrize("route", ["ops", "chat"])
async def test_a_kill_before_the_answer_repeats_only_what_its_receiver_knows(
    dsn: str,
    fresh_nats: NatsServer,
    connected: Bus,
    receiving: Receiver,
    tmp_path: Path,
    route: str,
) -> None:
    """Killed while a channel has the message: a webhook gets the same id again, a chat nothing."""
    routes = write_routes(tmp_path, receiving.url, **{route: AT_ONCE})
    async with notifier_process(dsn, fresh_nats.url, routes, tmp_path / "log") as process:
        receiving.may_answer.clear()
        await move(dsn, connected)
        await until(lambda: receiving.received, what="the channel has the message")
        process.kill()
    receiving.may_answer.set()
    await execute(dsn, DIED_LONG_AGO)

    async with notifier(dsn, fresh_nats.url, routes):
        await publish_change(connected)
        [row] = await delivered_messages(dsn)

    assert len(receiving.ids) == 1
    if route == "ops":
        assert (row["state"], len(receiving.received)) == ("sent", 2)
        assert receiving.ids == {row["message_id"]}
    else:
        assert (row["state"], len(receiving.received)) == ("doubtful", 1)
        assert row["error"] == "the notifier ended while it sent this"


async def test_two_notifiers_send_each_message_once(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """Two replicas share the work."""
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE, chat=AT_ONCE)
    async with (
        notifier(dsn, fresh_nats.url, routes),
        notifier(dsn, fresh_nats.url, routes),
    ):
        await move(dsn, connected)
        await delivered_messages(dsn, topics=2)

    assert sorted(each.path.split("/")[1] for each in receiving.received) == ["chat", "hook"]


async def test_a_stop_ends_what_was_begun(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """A process that is asked to stop finishes what it sends, and ends with 0."""
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE)
    async with notifier_process(dsn, fresh_nats.url, routes, tmp_path / "log") as process:
        receiving.may_answer.clear()
        await move(dsn, connected)
        await until(lambda: receiving.received, what="the receiver has the message")
        receiving.may_answer.set()
        assert await process.stop() == 0

    [row] = await delivered_messages(dsn)
    assert (row["state"], row["attempts"], len(receiving.received)) == ("sent", 1, 1)


async def test_a_channel_that_fails_is_tried_again_and_shown_without_its_address(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """A failure is in the view, in a metric and in the log; the address is nowhere."""
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE, chat=AT_ONCE)
    receiving.status = 503
    operator = Operator(dsn)
    async with notifier_process(dsn, fresh_nats.url, routes, tmp_path / "log") as process:
        await move(dsn, connected)
        failing = await until(
            lambda: operator.ask("SELECT * FROM ops.routes WHERE failing > 0 OFFSET 1"),
            what="both channels fail",
        )
        await until(lambda: _says(process, 'route_failing_messages{route="ops"} 1'), what="told")
        assert failing[0]["next_try_at"] is not None
        receiving.status = 200
        await execute(dsn, "UPDATE notify.messages SET try_at = now()")
        rows = await delivered_messages(dsn, topics=2)
        shown = "\n".join([process.log_text(), await process.metrics(), repr(rows)])

    assert [row["attempts"] for row in rows] == [2, 2]
    assert len(receiving.ids - {""}) == 1
    assert "answered with status 503" in shown
    assert TOKEN not in shown
    assert timedelta(seconds=30) < LEASE


async def _says(process: ServiceProcess, line: str) -> bool:
    return line in await process.metrics()
