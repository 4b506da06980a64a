"""Writes `docs/sql.md` from the comments in the database and the cookbook.

python -m tools.sql_reference

Starts the embedded PostgreSQL, migrates a database of its own, and reads the comments there.
"""

import asyncio
import importlib.resources
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_runtime import named_sql
from imagedrift_sandbox.postgres import PostgresServer

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "sql.md"
HEAD: Final = """# SQL reference

Generated from the comments in the database and from the cookbook: do not edit.
`python -m tools.sql_reference` writes it; a test tells when it is out of date.

The schema `ops` holds views only. Names and meanings here are fixed: columns are added, never
changed silently. Everything else in the database is private and may change with every release.

## Who may read

The role `imagedrift_operator` reads `ops` and nothing else. Give it to people and programs:
[deployment.md](deployment.md#postgresql) has the statements. Ingest itself needs
`imagedrift_writer`; only `imagedrift migrate` and `rebuild` run as the owner of the schema.

A dashboard that refreshes every few seconds should read `ops.trend`, not `ops.fleet_summary`.
For one host ask `ops.hosts`, for all hosts at once `ops.host_counts`.

## Views
"""
VIEWS: Final = """
    SELECT c.relname AS view, obj_description(c.oid, 'pg_class') AS about, a.attname AS name,
      CASE WHEN t.typname ~ '^_' THEN format_type(t.typelem, NULL) || '[]'
        ELSE format_type(a.atttypid, a.atttypmod) END AS type,
      col_description(c.oid, a.attnum) AS words
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE c.relnamespace = 'ops'::regnamespace AND c.relkind = 'v'
    ORDER BY c.relname, a.attnum
"""


class Recipe(Struct, frozen=True):
    """A question and the query that answers it."""

    name: str
    question: str
    sql: str


def cookbook() -> list[Recipe]:
    """Read the questions, in their order."""
    source = importlib.resources.files("imagedrift_ingest") / "sql" / "cookbook.sql"
    found = named_sql.read(source.read_text(encoding="utf-8"))
    return [_recipe_of(name, each) for name, each in found.items()]


def _recipe_of(name: str, statement: named_sql.Statement) -> Recipe:
    """Take the first line of the comment as the question; what else it says is shown with it."""
    question, *more = statement.comment.splitlines()
    return Recipe(
        name, question, "\n".join([*(f"-- {line}" for line in more), statement.sql + ";"])
    )


async def render(connection: asyncpg.Connection) -> str:
    """Write the reference from a migrated database."""
    rows = await connection.fetch(VIEWS)
    views: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        views.setdefault(row["view"], []).append(dict(row))
    lines = [HEAD, *(line for view in views.values() for line in _view(view))]
    lines += ["## Cookbook", "", "Every query here is run by a test.", ""]
    lines += [line for recipe in cookbook() for line in _recipe(recipe)]
    return "\n".join(lines).rstrip() + "\n"


def _view(columns: list[Mapping[str, str]]) -> Iterable[str]:
    yield f"### ops.{columns[0]['view']}"
    yield ""
    yield columns[0]["about"]
    yield ""
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in columns:
        words = column["words"].replace("|", "\\|")
        yield f"| {column['name']} | {_short(column['type'])} | {words} |"
    yield ""


def _recipe(recipe: Recipe) -> Iterable[str]:
    yield f"### {recipe.question}"
    yield ""
    yield "```sql"
    yield recipe.sql
    yield "```"
    yield ""


def _short(name: str) -> str:
    return name.replace("timestamp with time zone", "timestamptz")


async def main() -> None:
    """Write the page from a database that is made for it."""
    async with PostgresServer.start() as server:
        await migrate(server.dsn())
        connection = await asyncpg.connect(server.dsn())
        try:
            text = await render(connection)
        finally:
            await connection.close()
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
