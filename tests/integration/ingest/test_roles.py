"""The rights of each role: the operator's role, the writer's, and the owner."""

import uuid
from urllib.parse import urlsplit

import asyncpg
import pytest

from imagedrift_ingest.commands import maintain
from imagedrift_sandbox.nats import NatsServer
from support.ingest import GOOD_ROWS, NGINX, Fleet, Operator, answer, image, ingest


async def test_the_operators_role_reads_ops_and_nothing_else(dsn: str) -> None:
    """The operators' role reads views, and no tables or functions."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET ROLE imagedrift_operator")
        views = await connection.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'ops'")
        assert len(views) > 10
        for view in views:
            await connection.fetch(f"SELECT * FROM ops.{view[0]}")
        for refused in (
            "SELECT * FROM fleet.hosts",
            "DELETE FROM ops.trend",
            "SELECT fleet.make_months(1)",
            "CREATE TABLE ops.mine (x integer)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(refused)
    finally:
        await connection.close()


async def test_the_writers_role_does_everything_ingest_does_but_no_ddl(dsn: str) -> None:
    """The writer's role writes facts, and alters no table."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET ROLE imagedrift_writer")
        await connection.execute(GOOD_ROWS)
        assert await connection.fetchval("SELECT fleet.make_months(4)") == 2
        assert await connection.fetchval("SELECT images FROM ops.fleet_summary") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("ALTER TABLE fleet.hosts ADD COLUMN mine text")
    finally:
        await connection.close()


async def test_the_service_runs_as_a_member_of_the_writers_role(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """The service runs as a member of the writer's role."""
    name = f"writer_{uuid.uuid4().hex}"
    owner = await asyncpg.connect(dsn)
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE imagedrift_writer")
    try:
        where = urlsplit(dsn)
        as_writer = where._replace(netloc=f"{name}:x@{where.hostname}:{where.port}").geturl()
        async with ingest(as_writer, fresh_nats.url):
            await agents.has("web-1", image())
            await agents.answers(answer())
            await operator.sees(NGINX, verdict="current")
        assert (await maintain(as_writer)).done["trend_taken"] == 1
    finally:
        await owner.execute(f"DROP ROLE {name}")
        await owner.close()
