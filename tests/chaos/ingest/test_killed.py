"""Work that a killed ingest process had in hand is done again within seconds, and only then."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.connection import STATEMENT_TIMEOUT_MS
from imagedrift_ingest.adapters.postgres.turns import LEASE_S
from imagedrift_runtime.nats.topology import ACK_WAIT_S
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_schemas import subjects
from support.frozen import frozen
from support.ingest import NGINX, Fleet, Operator, answer, image, ingest
from support.nats_client import jetstream, nats_client
from support.polling import until
from support.postgres import NEWEST, owner

pytestmark = pytest.mark.parametrize("model", [NEWEST], indirect=True)

HOSTS: Final = 20
START_S: Final = 8.0
"""What a busy machine takes to start a process, and to store a few rows."""
ANSWERS: Final = f"KV_{subjects.BUCKET_DIGESTS}"
SESSION_ENDS_S: Final = STATEMENT_TIMEOUT_MS / 1000
LOCK_KEY: Final = 4712
HOLD: Final = f"""
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock({LOCK_KEY});
  RETURN OLD;
END $$;
CREATE TRIGGER held BEFORE DELETE ON fleet.outbox FOR EACH ROW EXECUTE FUNCTION public.hold();
SELECT pg_advisory_lock({LOCK_KEY});
"""
HELD: Final = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted
"""


@pytest.fixture
def environment(postgres: PostgresServer, fresh_nats: NatsServer) -> dict[str, str]:
    """Return the environment of a process."""
    return {"DATABASE_URL": postgres.dsn(), "NATS_URL": fresh_nats.url, "IMAGEDRIFT_LOG": "json"}


async def in_flight(agents: Fleet, stream: str) -> int:
    """Count the messages that ingest holds, once all are delivered."""
    lag = await agents.bus.lag(stream, subjects.CONSUMER_INGEST)
    return 0 if lag.pending else lag.in_flight


@pytest.mark.parametrize(
    ("end", "within_s"),
    [(ServiceProcess.kill, ACK_WAIT_S), (ServiceProcess.pause, SESSION_ENDS_S)],
    ids=["killed", "vanished"],
)
async def test_what_an_ended_process_held_is_stored_within_seconds(
    environment: dict[str, str],
    postgres: PostgresServer,
    agents: Fleet,
    operator: Operator,
    tmp_path: Path,
    end: Callable[[ServiceProcess], object],
    within_s: float,
) -> None:
    """An inventory and an answer come again; a session that stays may hold them up for longer."""
    script, log = "imagedrift-ingest", tmp_path / "log"
    async with (
        owner(postgres) as connection,
        ServiceProcess.start(script, environment, log=log) as first,
    ):
        await agents.has("before", image())
        await operator.sees(NGINX, host="before")
        async with connection.transaction():
            await connection.execute("LOCK TABLE fleet.host_state, fleet.answers")
            await agents.has("web-1", image())
            await agents.answers(answer(version=2))
            for stream in (subjects.STREAM_INVENTORY, ANSWERS):
                await until(partial(in_flight, agents, stream), what=f"{stream} is delivered")
            end(first)
            killed = time.monotonic()
        async with ServiceProcess.start(script, environment, log=log):
            await operator.sees(NGINX, host="web-1", verdict="outdated")
            took = time.monotonic() - killed

    assert took < within_s + START_S


async def test_a_change_that_a_killed_process_published_is_published_once(
    environment: dict[str, str],
    postgres: PostgresServer,
    agents: Fleet,
    operator: Operator,
    tmp_path: Path,
) -> None:
    """Killed between publishing and marking: another goes on within seconds; there is one."""
    script, log = "imagedrift-ingest", tmp_path / "log"
    async with (
        owner(postgres) as connection,
        ServiceProcess.start(script, environment, log=log) as first,
    ):
        await agents.has("web-1", image())
        await agents.answers(answer())
        await operator.sees(NGINX, verdict="current")
        await until(lambda: is_empty(connection), what="nothing waits to be published")
        published = await changes(agents)
        await connection.execute(HOLD)
        await agents.answers(answer(version=2))
        await until(lambda: connection.fetch(HELD, LOCK_KEY), what="the mark is held")
        first.kill()
        killed = time.monotonic()
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({HELD}) AS h", LOCK_KEY)
        await connection.execute("DROP TRIGGER held ON fleet.outbox")
        async with ServiceProcess.start(script, environment, log=log):
            await until(lambda: is_empty(connection), what="nothing waits to be published")
            took = time.monotonic() - killed

    assert took < LEASE_S + START_S
    assert await changes(agents) == published + 1


async def changes(agents: Fleet) -> int:
    """Count the changes that are published."""
    info = await jetstream(agents.bus).stream_info(subjects.STREAM_CHANGED)
    return int(info.state.messages)


async def is_empty(connection: asyncpg.Connection) -> bool:
    """Tell whether no changed verdict waits to be published."""
    return not await connection.fetchval("SELECT count(*) FROM fleet.outbox")


async def test_a_process_that_lives_keeps_what_it_holds_while_its_database_hangs(
    postgres: PostgresServer, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """Neither messages in hand nor those that wait behind them are delivered to another replica."""
    async with ingest(postgres.dsn(), fresh_nats.url, batch=HOSTS):
        await agents.has("before", image())
        await operator.sees(NGINX, host="before")
        async with another(agents) as replica:
            with frozen(postgres):
                for number in range(HOSTS):
                    await agents.has(f"web-{number}", image())
                await until(
                    lambda: in_flight(agents, subjects.STREAM_INVENTORY), what="all are delivered"
                )
                with pytest.raises(TimeoutError):
                    await replica.fetch(1, timeout=2.5 * ACK_WAIT_S)
            await until(lambda: is_stored(operator), what="all are stored", within_s=60)
            info = await replica.consumer_info()

    assert info.delivered.consumer_seq == HOSTS + 1


@asynccontextmanager
async def another(agents: Fleet) -> AsyncIterator[Any]:
    """Pull from the consumer of inventories, as another replica of ingest would."""
    async with nats_client(agents.bus) as client:
        js = client.jetstream()
        yield await js.pull_subscribe_bind(subjects.CONSUMER_INGEST, subjects.STREAM_INVENTORY)


async def is_stored(operator: Operator) -> bool:
    """Tell whether every host's image is stored."""
    [row] = await operator.ask("SELECT count(*) AS n FROM ops.comparisons")
    return bool(row["n"] == HOSTS + 1)
