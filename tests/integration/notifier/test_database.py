"""The notifier's login: what it may do, and what it is told where it may not."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from imagedrift_notifier.adapters.database import open_database
from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from support.logins import login
from support.notifier import Receiver, execute, move, notifier, write_routes
from support.polling import until


@pytest.fixture
async def own_login(dsn: str) -> AsyncIterator[str]:
    """A login in the notifier's role."""
    name = f"notifier_{uuid.uuid4().hex}"
    await execute(dsn, f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE imagedrift_notifier")
    yield login(dsn, name)
    await execute(dsn, f"DROP ROLE {name}")


async def test_the_notifier_works_with_its_own_role_and_can_do_nothing_else(
    dsn: str,
    own_login: str,
    fresh_nats: NatsServer,
    connected: Bus,
    receiving: Receiver,
    tmp_path: Path,
) -> None:
    """The notifier reads views and writes its own tables; facts and decisions are closed to it."""
    routes = write_routes(tmp_path, receiving.url, ops='gather = "0s"\nerrors = true')
    async with notifier(own_login, fresh_nats.url, routes):
        await move(dsn, connected)
        await until(lambda: receiving.received, what="a message")

    connection = await asyncpg.connect(own_login)
    try:
        for refused in (
            "SELECT * FROM fleet.hosts",
            "UPDATE fleet.answers SET failures = 0",
            "SELECT ops.decide('*', '{}', 'ignore', NULL, 'x')",
            "CREATE TABLE notify.mine (x integer)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(refused)
    finally:
        await connection.close()


async def test_a_machine_that_vanished_keeps_no_claim_locked_for_long(dsn: str) -> None:
    """The database ends its session after half a minute without any word of its client."""
    async with open_database(dsn) as database, database.transaction() as connection:
        probes = int(await connection.fetchval("SHOW tcp_keepalives_count"))
        idle = int(await connection.fetchval("SHOW tcp_keepalives_idle"))
        between = int(await connection.fetchval("SHOW tcp_keepalives_interval"))
    assert idle + probes * between == 30


async def test_a_query_is_planned_for_its_values_however_often_it_was_run(dsn: str) -> None:
    """No plan is kept that was made without knowing how many hosts a route has."""
    kept = "SELECT sum(generic_plans) FROM pg_prepared_statements WHERE statement = $1"
    often = "SELECT $1::text"
    async with open_database(dsn) as database, database.transaction() as connection:
        for _ in range(8):  # PostgreSQL compares a plan for any values with the first five
            await connection.fetchval(often, "x")

        assert await connection.fetchval(kept, often) == 0


async def test_a_login_without_the_role_is_told_which_it_lacks(dsn: str) -> None:
    """Where rights or the schema are missing, the error says what to run."""
    name = f"stranger_{uuid.uuid4().hex}"
    await execute(dsn, f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    try:
        async with open_database(login(dsn, name)) as database:
            with pytest.raises(DatabaseUnreachable, match="GRANT imagedrift_notifier"):
                await database.rows("counts", routes=["ops"])
    finally:
        await execute(dsn, f"DROP ROLE {name}")
    await execute(dsn, "DROP SCHEMA notify CASCADE")
    async with open_database(dsn) as database:
        with pytest.raises(DatabaseUnreachable, match="run `imagedrift migrate`"):
            await database.rows("counts", routes=["ops"])
