"""A database that is restored to an earlier time while the notifier runs: nothing is told twice."""

import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from support.decided_fleet import REFERENCES
from support.deploy import ROOT
from support.notifier import Receiver, begun, execute, move, notifier, write_routes
from support.operator import Operator
from support.polling import until

AT_ONCE = 'gather = "0s"'
KEPT = "CREATE TABLE public.kept_{0} AS TABLE notify.{0}"
BACK = """
BEGIN;
DELETE FROM notify.claims;
DELETE FROM notify.messages;
DELETE FROM notify.routes;
INSERT INTO notify.routes TABLE public.kept_routes;
INSERT INTO notify.messages TABLE public.kept_messages;
INSERT INTO notify.claims TABLE public.kept_claims;
COMMIT;
"""
"""Takes the notifier's tables back to the time of the copy, as a restore of the database does."""
IDLE = """
SELECT WHERE NOT EXISTS (SELECT FROM notify.messages WHERE state <> 'sent')
  AND NOT EXISTS (SELECT FROM notify.claims WHERE message_id IS NULL AND send_at IS NOT NULL)
"""


async def copy_tables(dsn: str) -> asyncpg.Connection:
    """Keep a copy of the notifier's tables; the connection that made it."""
    connection = await asyncpg.connect(dsn)
    async with connection.transaction(isolation="repeatable_read"):
        for table in ("routes", "messages", "claims"):
            await connection.execute(KEPT.format(table))
    return connection


@pytest.mark.parametrize("keys", [AT_ONCE, f"{AT_ONCE}\nbacklog = true"], ids=["news", "backlog"])
async def test_nothing_is_told_twice_and_what_comes_later_is(
    dsn: str,
    fresh_nats: NatsServer,
    connected: Bus,
    receiving: Receiver,
    tmp_path: Path,
    keys: str,
) -> None:
    """The notifier notices that its last message is unknown, and begins its routes anew."""
    routes = write_routes(tmp_path, receiving.url, ops=keys, chat=keys)
    async with notifier(dsn, fresh_nats.url, routes):
        await until(lambda: Operator(dsn).ask(IDLE), what="a backlog is sent")
        connection = await copy_tables(dsn)
        before = len(receiving.received)
        await move(dsn, connected)
        await until(lambda: len(receiving.received) == before + 2, what="it is told on both routes")
        await until(lambda: Operator(dsn).ask(IDLE), what="that is noted")
        told = len(receiving.received)
        await connection.execute(BACK)
        await connection.close()
        restored = "SELECT FROM notify.routes WHERE is_restored OFFSET 1"
        await until(lambda: Operator(dsn).ask(restored), what="the restore is noticed")
        await begun(dsn)
        await move(dsn, connected, REFERENCES[1])
        await until(lambda: len(receiving.received) >= told + 2, what="what comes later")

    later = receiving.received[told:]
    assert sorted(each.path.split("/")[1] for each in later) == ["chat", "hook"]
    assert all(REFERENCES[1] in each.body.decode() for each in later)


async def test_what_waits_in_the_restored_database_is_in_doubt(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """A message that waits there may have been sent since: only a webhook's receiver would know."""
    routes = write_routes(tmp_path, receiving.url, ops=AT_ONCE, chat=AT_ONCE)
    receiving.status = 503
    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        failing = "SELECT FROM ops.routes WHERE failing > 0 OFFSET 1"
        await until(lambda: Operator(dsn).ask(failing), what="both fail")
        connection = await copy_tables(dsn)
        receiving.status = 200
        await execute(dsn, "UPDATE notify.messages SET try_at = now()")
        sent = "SELECT FROM ops.messages WHERE state = 'sent' OFFSET 1"
        await until(lambda: Operator(dsn).ask(sent), what="both are sent")
        chats = [each for each in receiving.received if "/chat/" in each.path]
        await connection.execute(BACK)
        await connection.close()
        restored = "SELECT FROM notify.routes WHERE is_restored OFFSET 1"
        await until(lambda: Operator(dsn).ask(restored), what="the restore is noticed")

        async def is_sent_again() -> list[Any]:
            await execute(dsn, "UPDATE notify.messages SET try_at = now()")  # or another try's
            return await Operator(dsn).ask("SELECT FROM ops.messages WHERE state = 'sent'")

        await until(is_sent_again, what="the webhook's is sent again")
        doubtful = await Operator(dsn).ask("SELECT FROM ops.messages WHERE state = 'doubtful'")

    assert len(doubtful) == 1
    assert [each for each in receiving.received if "/chat/" in each.path] == chats
    assert len(receiving.ids - {""}) == 1


async def test_the_documented_statements_do_so_where_no_notifier_ran(
    dsn: str, fresh_nats: NatsServer, connected: Bus, receiving: Receiver, tmp_path: Path
) -> None:
    """Nothing that was due or waited in the restored database is told; what comes later is."""
    page = (ROOT / "docs" / "notifier.md").read_text()
    [statements] = re.findall(r"^```sql\n(UPDATE .*?)^```", page, re.MULTILINE | re.DOTALL)
    routes = write_routes(tmp_path, receiving.url, chat=f"{AT_ONCE}\nbacklog = true")
    receiving.status = 503
    async with notifier(dsn, fresh_nats.url, routes):
        failing = "SELECT FROM ops.routes WHERE failing > 0"
        await until(lambda: Operator(dsn).ask(failing), what="the first message fails")
    receiving.received.clear()
    receiving.status = 200
    await execute(dsn, statements)
    await execute(dsn, "DELETE FROM notify.claims WHERE reference = $1", REFERENCES[1])

    async with notifier(dsn, fresh_nats.url, routes):
        await move(dsn, connected)
        await until(lambda: receiving.received, what="what comes later")

    [message] = receiving.received
    assert REFERENCES[0] in message.body.decode()
