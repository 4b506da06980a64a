"""The database moves to another server, with the commands of the operators' guide."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import run_program
from support.ingest import MISCOUNTED, NGINX, Fleet, Operator, answer, image, ingest
from support.postgres import NEWEST, OLDEST, programs

pytestmark = pytest.mark.parametrize("model", [OLDEST], indirect=True)

LOGIN = "CREATE ROLE ingest LOGIN PASSWORD 'between us' IN ROLE imagedrift_writer"
HISTORY = "SELECT reference, digest, valid_from, valid_to FROM ops.tag_history ORDER BY valid_from"


@pytest.fixture(params=[OLDEST, NEWEST])
async def new(request: pytest.FixtureRequest) -> AsyncIterator[PostgresServer]:
    """Another server, without roles, its database empty."""
    async with PostgresServer.start(binaries=programs(request.param)) as server:
        yield server


class Mover:
    """Somebody with the programs of both servers: each is asked with its own.

    PostgreSQL 15.20 marks columns with an option that the `pg_dump` of 18 takes for one of ours.
    """

    def __init__(self, old: PostgresServer, new: PostgresServer, folder: Path) -> None:
        self._old, self._new = old, new
        self._dump, self._roles = folder / "imagedrift.dump", folder / "roles.sql"

    def dump(self, *options: str) -> None:
        """Dump roles and database of the old server."""
        self._run("pg_dumpall", self._old, "--roles-only", f"--file={self._roles}")
        self._run("pg_dump", self._old, "--format=custom", *options, f"--file={self._dump}")

    def roles(self) -> None:
        """Make the roles in the new one, its superuser aside."""
        lines = self._roles.read_text().splitlines(keepends=True)
        self._roles.write_text("".join(line for line in lines if "ROLE postgres" not in line))
        self._run("psql", self._new, "--quiet", f"--file={self._roles}")

    def restore(self, *options: str) -> None:
        """Read the dump into the new one."""
        self._run("pg_restore", self._new, "--single-transaction", *options, self._dump)

    def sql(self, statement: str) -> None:
        """Run a statement in the new one."""
        self._run("psql", self._new, "--set=ON_ERROR_STOP=1", f"--command={statement}")

    def _run(self, program: str, server: PostgresServer, *options: str | Path) -> None:
        assert server.binaries is not None
        run_program([server.binaries / program, f"--dbname={server.dsn()}", *options])


def whole(mover: Mover, new: PostgresServer) -> None:
    """Everything from the dump."""
    mover.dump()
    mover.roles()
    mover.restore()
    assert asyncio.run(migrate(new.dsn())) == []


def data_only(mover: Mover, new: PostgresServer) -> None:
    """The data alone, into what `migrate` made."""
    mover.dump("--load-via-partition-root")
    mover.roles()
    asyncio.run(migrate(new.dsn()))
    mover.sql("TRUNCATE fleet.generation")
    mover.restore("--data-only", "--disable-triggers", "--schema=fleet")


@pytest.mark.parametrize("way", [whole, data_only])
async def test_a_database_moves_to_another_server(
    postgres: PostgresServer,
    new: PostgresServer,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    tmp_path: Path,
    way: object,
) -> None:
    """A database moves to another server with facts, history, counts and roles."""
    assert callable(way)
    async with ingest(postgres.dsn(), fresh_nats.url):
        await agents.has("h1", image(version=1))
        await agents.answers(answer(version=1))
        await operator.sees(NGINX, host="h1", verdict="current")
        await agents.answers(answer(version=2))
        await operator.sees(NGINX, host="h1", verdict="outdated")
        await agents.has("h1", image(version=2))
        await operator.sees(NGINX, host="h1", verdict="current")
    connection = await asyncpg.connect(postgres.dsn())
    try:
        await connection.execute(LOGIN)
    finally:
        await connection.close()
    before = await operator.ask("SELECT * FROM ops.comparisons")
    history = await operator.ask(HISTORY)

    await asyncio.to_thread(way, Mover(postgres, new, tmp_path), new)

    moved = Operator(new.dsn())
    assert await moved.ask("SELECT * FROM ops.comparisons") == before
    assert await moved.ask(HISTORY) == history
    assert len(history) == 2
    assert await moved.ask(MISCOUNTED) == []
    own = f"postgresql://ingest:between%20us@{urlsplit(new.dsn()).netloc.partition('@')[2]}/imagedrift"
    async with ingest(own, fresh_nats.url):
        await agents.has("h2", image(version=1))
        await moved.sees(NGINX, host="h2", verdict="outdated")
    assert await moved.ask(MISCOUNTED) == []
