"""A primary and its standby: the primary dies, or is demoted, and ingest goes on with the other."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import give, run_program, unprivileged_account
from support.ingest import Fleet, Operator, image, ingest
from support.polling import until
from support.storing import database_of


@pytest.fixture
async def standby(postgres: PostgresServer) -> AsyncIterator[PostgresServer]:
    """A streaming replica of the database."""
    server = PostgresServer(binaries=postgres.binaries, durable=True)
    account = unprivileged_account()
    give(server.home, account)
    assert postgres.binaries is not None
    program = postgres.binaries / "pg_basebackup"
    source = f"--dbname={postgres.dsn('postgres')}"
    run_program(
        [program, source, "-D", server.home / "cluster", "-R", "-X", "stream", "-c", "fast"],
        account=account,
    )
    shutil.copy(postgres.home / "password", server.home / "password")
    give(server.home / "password", account)
    # Not `start`: a replica cannot be asked to make a database.
    server.prepare()
    server.choose_ports()
    await asyncio.to_thread(server.launch_blocking)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.close)


def either(first: PostgresServer, second: PostgresServer) -> str:
    """A connection string of both servers, for whichever accepts writes."""
    one, two = urlsplit(first.dsn()), urlsplit(second.dsn())
    hosts = f"{one.username}:{one.password}@{one.hostname}:{one.port},{two.hostname}:{two.port}"
    return f"postgresql://{hosts}/imagedrift?target_session_attrs=read-write"


async def promote(standby: PostgresServer) -> None:
    """Make the replica the primary."""
    connection = await asyncpg.connect(standby.dsn())
    try:
        assert await connection.fetchval("SELECT pg_promote()")
    finally:
        await connection.close()


async def caught_up(primary: PostgresServer) -> None:
    """Wait until the replica has everything."""
    operator = Operator(primary.dsn())
    behind = "SELECT FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"
    await until(lambda: operator.ask(behind), what="the replica has caught up")


async def test_ingest_goes_on_with_the_promoted_standby(
    postgres: PostgresServer, standby: PostgresServer, fresh_nats: NatsServer, agents: Fleet
) -> None:
    """P4: after the primary's death ingest goes on with the promoted standby, without loss."""
    async with ingest(either(postgres, standby), fresh_nats.url, batch=5):
        for number in range(20):
            await agents.has(f"h{number}", image())
        before = Operator(postgres.dsn())

        async def stored(operator: Operator, hosts: int) -> bool:
            [row] = await operator.ask("SELECT hosts FROM ops.fleet_summary")
            return bool(row["hosts"] == hosts)

        await until(lambda: stored(before, 20), what="half of the fleet")
        await caught_up(postgres)
        postgres.kill()
        for number in range(20, 40):
            await agents.has(f"h{number}", image())
        await promote(standby)
        after = Operator(standby.dsn())
        await until(lambda: stored(after, 40), what="the whole fleet", within_s=60)


async def keys_of_new_hosts(server: PostgresServer) -> set[int]:
    """Make rows for hosts, and return their keys."""
    async with connection.pool(server.dsn(), connections=1) as pool:
        names = ["fra1"] * 50, [f"h{number}" for number in range(50)]
        await pool.execute(load("hosts")["insert_hosts"], *names, *[[]] * 10)
        return {row["host_id"] for row in await pool.fetch(load("hosts")["select_ids"], *names)}


async def test_no_key_of_the_old_primary_is_given_by_the_new_one(
    postgres: PostgresServer, standby: PostgresServer
) -> None:
    """No key of the old primary is used again by the new one."""
    await caught_up(postgres)
    await promote(standby)
    old, new = await keys_of_new_hosts(postgres), await keys_of_new_hosts(standby)
    assert len(old) == len(new) == 50
    assert not old & new


async def test_a_pool_leaves_a_server_that_became_a_replica(
    postgres: PostgresServer, standby: PostgresServer
) -> None:
    """A pool drops its connections to a demoted primary at its first refusal."""
    async with connection.pool(either(postgres, standby), connections=1) as pool:
        database = database_of(pool)

        async def where(connection: asyncpg.Connection) -> int:
            await connection.execute("UPDATE fleet.generation SET made_at = now()")
            return int(await connection.fetchval("SELECT inet_server_port()"))

        assert await database.transaction(where) == postgres.port
        await caught_up(postgres)
        await promote(standby)
        owner = await asyncpg.connect(postgres.dsn())
        try:  # as a demoted primary does, it stays up and refuses to write
            await owner.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            await owner.execute("SELECT pg_reload_conf()")
        finally:
            await owner.close()

        async def moved() -> bool:
            try:
                return await database.transaction(where) == standby.port
            except DatabaseUnavailable:
                return False

        await until(moved, what="the promoted server is used")
