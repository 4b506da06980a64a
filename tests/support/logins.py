"""Logins of a cluster, with the roles of imagedrift or without."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import schema_check
from imagedrift_sandbox.postgres import PostgresServer
from support.ingest import GOOD_ROWS


async def ours(cluster: PostgresServer) -> list[str]:
    """Every role but those that PostgreSQL makes."""
    async with connected(cluster.dsn("postgres")) as superuser:
        rows = await superuser.fetch(
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'"
        )
    return [row[0] for row in rows]


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def run(dsn: str, *statements: str) -> None:
    """Run statements, one after the other."""
    async with connected(dsn) as connection:
        for statement in statements:
            await connection.execute(statement)


def login(dsn: str, name: str) -> str:
    """The same database, for another login."""
    where = urlsplit(dsn)
    return where._replace(netloc=f"{name}:x@{where.hostname}:{where.port}").geturl()


async def make_owner(dsn: str, options: str = "") -> str:
    """Give the database to a login of its own, as a DBA does."""
    await run(
        dsn,
        f"CREATE ROLE app LOGIN PASSWORD 'x' {options}",
        f"ALTER DATABASE {urlsplit(dsn).path[1:]} OWNER TO app",
    )
    return login(dsn, "app")


async def make_logins(dsn: str, prefix: str = "imagedrift") -> None:
    """One who reads, and ingest."""
    await run(
        dsn,
        f"CREATE ROLE alice LOGIN PASSWORD 'x' IN ROLE {prefix}_operator",
        f"CREATE ROLE ingest LOGIN PASSWORD 'x' IN ROLE {prefix}_writer",
    )


async def assert_all_work(dsn: str) -> None:
    """A reader reads every view, and ingest starts and writes."""
    async with connected(login(dsn, "ingest")) as writer:
        await schema_check.check(writer)
        await writer.execute(GOOD_ROWS)
        assert await writer.fetchval("SELECT fleet.make_months(1)") == 0
    async with connected(login(dsn, "alice")) as reader:
        views = await reader.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'ops'")
        assert len(views) > 10
        for view in views:
            await reader.fetch(f"SELECT * FROM ops.{view[0]}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.fetch("SELECT * FROM fleet.hosts")
