"""`docs/sql.md`: up to date, and every query in it runs for an operator."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.postgres import PostgresServer
from support.ingest import NGINX, digest
from tools.sql_reference import DOCUMENT, Recipe, cookbook, render

EXAMPLE = Path(__file__).with_name("example.sql")
REDIS = "docker.io/library/redis:7"


@pytest.fixture
async def connection(postgres_server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """A migrated database with the example in it."""
    import uuid

    name = f"reference_{uuid.uuid4().hex}"
    dsn = postgres_server.create_database(name)
    await migrate(dsn)
    opened = await asyncpg.connect(dsn)
    await opened.execute(EXAMPLE.read_text(encoding="utf-8"))
    yield opened
    await opened.close()
    postgres_server.drop_database(name)


async def test_the_reference_is_up_to_date(connection: asyncpg.Connection) -> None:
    """The committed SQL reference equals the comments in the database."""
    written = DOCUMENT.read_text(encoding="utf-8")
    hint = "write it anew: python -m tools.sql_reference"
    assert written == await render(connection), hint


async def test_every_query_of_the_cookbook_runs_for_an_operator_and_finds_something(
    connection: asyncpg.Connection,
) -> None:
    """Every query of the cookbook returns rows for an operator."""
    recipes = cookbook()
    await connection.execute("SET ROLE imagedrift_operator")
    answers = {recipe.name: await _ask(connection, recipe) for recipe in recipes}

    assert len(recipes) >= 15
    assert [name for name, rows in answers.items() if not rows] == []
    assert [row["host"] for row in answers["recreate_only"]] == ["web-1"]
    assert [row["host"] for row in answers["silent_hosts"]] == ["web-2"]
    assert [row["reference"] for row in answers["tags_that_are_gone"]] == [REDIS]
    [top] = answers["top_images"]
    assert (top["reference"], top["outdated_hosts"], top["hosts"], top["variants"]) == (
        NGINX,
        2,
        2,
        2,
    )
    [moved, first] = answers["what_moved_upstream"]
    assert (moved["was"], moved["became"], first["was"]) == (
        first["became"],
        digest((NGINX, 2)),
        None,
    )


async def _ask(connection: asyncpg.Connection, recipe: Recipe) -> list[asyncpg.Record]:
    return list(await connection.fetch(recipe.sql))
