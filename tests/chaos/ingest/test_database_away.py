"""A database that dies, hangs, is full, locked or read-only loses nothing that NATS has."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from imagedrift_runtime.process import Process
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_schemas import subjects
from support.ingest import NGINX, Fleet, Operator, image, ingest
from support.polling import until
from support.postgres import owner

FULL = """
    CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON fleet.host_images
      FOR EACH ROW EXECUTE FUNCTION public.full_disk()
"""


async def unacknowledged(agents: Fleet) -> int:
    """How many inventories are delivered or waiting, and not acknowledged."""
    lag = await agents.bus.lag(subjects.STREAM_INVENTORY, subjects.CONSUMER_INGEST)
    return lag.pending + lag.in_flight


async def everybody(operator: Operator, hosts: int) -> None:
    """Wait until every host's image is stored."""

    async def stored() -> bool:
        try:
            rows = await operator.ask("SELECT count(*) AS n FROM ops.comparisons")
        except (OSError, asyncpg.PostgresError):
            return False
        return bool(rows[0]["n"] == hosts)

    await until(stored, what=f"{hosts} hosts", within_s=60)


def unhealthy(run: Process) -> Callable[[], bool]:
    """Whether health tells that the database does not work."""
    return lambda: not run.health.parts()["postgres"].ready


async def crash(postgres: PostgresServer) -> None:
    """End it without a checkpoint, as a power cut would, and start it again."""
    postgres.kill()
    await postgres.restart()


async def test_a_database_that_crashes_in_the_middle_loses_nothing(
    postgres: PostgresServer, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """P4: a database that crashes twice while a fleet reports has everything in the end."""
    async with (
        ingest(postgres.dsn(), fresh_nats.url, batch=5),
        ingest(postgres.dsn(), fresh_nats.url, batch=5),
    ):
        for number in range(100):
            await agents.has(f"h{number}", image())
            if number in (30, 70):
                await crash(postgres)
        await everybody(operator, 100)

        async def all_acknowledged() -> bool:
            return await unacknowledged(agents) == 0

        await until(all_acknowledged, what="everything is acknowledged", within_s=60)


@pytest.mark.parametrize(
    ("harm", "heal"),
    [
        (FULL, "DROP TRIGGER full_disk ON fleet.host_images"),
        (
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "ALTER SYSTEM RESET default_transaction_read_only",
        ),
    ],
    ids=["full", "read-only"],
)
async def test_a_database_that_refuses_to_write_is_waited_for(
    postgres: PostgresServer,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    harm: str,
    heal: str,
) -> None:
    """P4: without a writable database nothing is acknowledged, and all is stored later."""
    async with ingest(postgres.dsn(), fresh_nats.url) as run, owner(postgres) as connection:
        await agents.has("before", image())
        await operator.sees(NGINX, host="before")
        await connection.execute("SET default_transaction_read_only = off")
        for statement in harm.split(";\n    CREATE TRIGGER"):
            trigger = statement.startswith("\n      FOR") or " full_disk BEFORE" in statement
            await connection.execute(("CREATE TRIGGER" if trigger else "") + statement)
        await connection.execute("SELECT pg_reload_conf()")

        async def is_in_force() -> bool:
            """A new session has the setting once the server has told the old ones."""
            [row] = await operator.ask("SHOW default_transaction_read_only")
            return bool((row["default_transaction_read_only"] == "on") == ("read_only" in harm))

        await until(is_in_force, what="the setting is in force")
        for number in range(5):
            await agents.has(f"h{number}", image())
        await until(unhealthy(run), what="health says so")
        assert await unacknowledged(agents) == 5
        assert len(await operator.comparisons(NGINX)) == 1

        await connection.execute(heal)
        await connection.execute("SELECT pg_reload_conf()")
        await everybody(operator, 6)
        await until(lambda: run.health.is_ready, what="health says that it works")


async def test_a_lock_that_lasts_is_waited_for(
    postgres: PostgresServer, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """A lock that is held beyond the time-out only delays the batch."""
    async with ingest(postgres.dsn(), fresh_nats.url) as run, owner(postgres) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("LOCK TABLE fleet.host_images")
        await agents.has("h1", image())
        await until(unhealthy(run), what="health says so", within_s=20)
        assert await unacknowledged(agents) == 1
        await transaction.rollback()
        await everybody(operator, 1)


async def test_a_service_started_before_its_database_waits_for_it(
    postgres: PostgresServer, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """A service that starts before its database waits for it."""
    await postgres.stop()
    starting = asyncio.create_task(_run_until_stored(postgres, fresh_nats, operator))
    await agents.has("h1", image())
    await postgres.restart()
    await starting


async def _run_until_stored(
    postgres: PostgresServer, fresh_nats: NatsServer, operator: Operator
) -> None:
    async with ingest(postgres.dsn(), fresh_nats.url):
        await everybody(operator, 1)
