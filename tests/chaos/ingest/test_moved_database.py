"""The database moves to another server, by the commands of the operators' page."""

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import DATABASE, PostgresServer
from imagedrift_sandbox.postgres_programs import run_program
from support.deploy import ROOT
from support.ingest import MISCOUNTED, NGINX, Fleet, Operator, answer, image, ingest
from support.postgres import NEWEST, OLDEST, programs

pytestmark = pytest.mark.parametrize("model", [OLDEST], indirect=True)

LOGIN = "CREATE ROLE ingest LOGIN PASSWORD 'between us' IN ROLE imagedrift_writer"
TOLD = """
    INSERT INTO notify.routes (route, is_begun) VALUES ('team', true);
    INSERT INTO notify.claims (route, kind, reference, target)
    VALUES ('team', 'outdated', 'docker.io/library/nginx:1.27', 'sha256:00')
"""
TABLES = """
    SELECT n.nspname || '.' || c.relname AS name
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND NOT n.nspname ^@ 'pg_' AND n.nspname <> 'information_schema'
    ORDER BY 1
"""
HISTORY = "SELECT reference, digest, valid_from, valid_to FROM ops.tag_history ORDER BY valid_from"


@pytest.fixture(params=[OLDEST, NEWEST])
async def new(request: pytest.FixtureRequest) -> AsyncIterator[PostgresServer]:
    """Another server, without roles, its database empty."""
    async with PostgresServer.start(binaries=programs(request.param)) as server:
        yield server


class Mover:
    """Somebody who types the commands of the operators' page, each with its server's programs.

    PostgreSQL 15.20 marks columns with an option that the `pg_dump` of 18 takes for one of ours.
    """

    def __init__(self, old: PostgresServer, new: PostgresServer, folder: Path) -> None:
        self._old, self._new, self._folder = old, new, folder
        self._urls = {
            "OLD_URL": old.dsn(),
            "NEW_URL": new.dsn(),
            "NEW_SERVER_URL": new.dsn("postgres"),
        }

    def run(self, *commands: str) -> None:
        """Run commands, one after the other; the first that fails ends it."""
        for command in commands:
            server = self._old if "$OLD_URL" in command else self._new
            path = f"{server.binaries}:{Path(sys.executable).parent}:$PATH"
            given = " ".join(f"{name}={shlex.quote(url)}" for name, url in self._urls.items())
            told = f'set -e; cd {self._folder}; PATH="{path}"; export PATH {given}; {command}'
            run_program(["/bin/sh", "-c", told])

    def drop_new(self) -> None:
        """Drop the database that the new server was made with: the page makes its own."""
        self._new.drop_database(DATABASE)


def commands_of_the_page() -> tuple[list[str], list[str]]:
    """Read the commands that move everything, and those that move the data alone."""
    page = (ROOT / "docs" / "operators.md").read_text()
    section = page.partition("### Back up and restore")[2].partition("\n### ")[0]
    found = [
        [line for line in block.replace("\\\n", " ").splitlines() if line]
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    ]
    everything, data = found
    return everything, data


def whole(mover: Mover) -> None:
    """Everything from the dump."""
    everything, _ = commands_of_the_page()
    mover.drop_new()
    mover.run(*everything)


def data_only(mover: Mover) -> None:
    """The data alone, into what `migrate` made."""
    everything, data = commands_of_the_page()
    roles = [each for each in everything if "roles.sql" in each]
    assert len(roles) == 2
    mover.run(*roles, 'DATABASE_URL="$NEW_URL" imagedrift migrate', *data)


async def rows_of_tables(reader: Operator) -> dict[str, int]:
    """How many rows each table has, whatever schema it is in."""
    names = [row["name"] for row in await reader.ask(TABLES)]
    return {
        name: (await reader.ask(f"SELECT count(*) AS rows FROM {name}"))[0]["rows"]
        for name in names
    }


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
    """A database moves to another server with facts, history, messages, counts and roles."""
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
        await connection.execute(TOLD)
    finally:
        await connection.close()
    before = await operator.ask("SELECT * FROM ops.comparisons")
    history = await operator.ask(HISTORY)
    counted = await rows_of_tables(operator)
    assert {"fleet", "notify"} <= {name.partition(".")[0] for name, rows in counted.items() if rows}

    await asyncio.to_thread(way, Mover(postgres, new, tmp_path))
    assert await migrate(new.dsn()) == []

    moved = Operator(new.dsn())
    assert await rows_of_tables(moved) == counted
    assert await moved.ask("SELECT * FROM ops.comparisons") == before
    assert await moved.ask(HISTORY) == history
    assert len(history) == 2
    assert await moved.ask(MISCOUNTED) == []
    own = f"postgresql://ingest:between%20us@{urlsplit(new.dsn()).netloc.partition('@')[2]}/imagedrift"
    async with ingest(own, fresh_nats.url):
        await agents.has("h2", image(version=1))
        await moved.sees(NGINX, host="h2", verdict="outdated")
    assert await moved.ask(MISCOUNTED) == []
