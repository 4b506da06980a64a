"""The embedded PostgreSQL: it serves, copies, restarts, and stops without a trace."""

from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from imagedrift_sandbox.postgres import PostgresServer
from support.servers import alive


async def shown(dsn: str, setting: str) -> str:
    """A setting of PostgreSQL as it is in force."""
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval(f"SHOW {setting}"))
    finally:
        await connection.close()


async def test_postgres_serves_and_stops_without_a_trace() -> None:
    """PostgreSQL answers as the superuser; its process and directory are gone after."""
    async with PostgresServer.start() as server:
        connection = await asyncpg.connect(server.dsn())
        name = await connection.fetchval("SELECT current_database()")
        await connection.close()

    assert name == "imagedrift"
    assert server.child is not None
    assert server.child.exit_code == 0
    assert not alive(server.pid)
    assert not server.home.exists()


async def test_postgres_wants_its_password(postgres_server: PostgresServer) -> None:
    """Another user of this machine cannot log in without the generated password."""
    dsn = postgres_server.dsn()
    password = dsn.split(":")[2].split("@")[0]

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(dsn.replace(password, "guess"))


async def test_postgres_copies_a_template(postgres_server: PostgresServer) -> None:
    """A database made from a template has the template's tables."""
    first = postgres_server.create_database("template_of_test")
    connection = await asyncpg.connect(first)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    await connection.close()
    second = postgres_server.create_database("copy_of_test", "template_of_test")
    connection = await asyncpg.connect(second)
    value = await connection.fetchval("SELECT value FROM kept")
    await connection.close()
    postgres_server.drop_database("copy_of_test")
    postgres_server.drop_database("template_of_test")

    assert value == 7


async def test_postgres_keeps_a_given_directory() -> None:
    """A second server on the same directory has the first one's rows and password."""
    with TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)  # within reach of who runs the server when we are root
        for number in range(2):
            async with PostgresServer.start(data_dir=home) as server:
                connection = await asyncpg.connect(server.dsn())
                await connection.execute("CREATE TABLE IF NOT EXISTS t (a int)")
                await connection.execute("INSERT INTO t VALUES ($1)", number)
                rows = await connection.fetchval("SELECT count(*) FROM t")
                await connection.close()
        assert (home / "cluster").exists()

    assert rows == 2


async def test_postgres_restarts_after_a_crash_on_the_same_port() -> None:
    """Committed rows are there after a kill and a restart."""
    async with PostgresServer.start() as server:
        dsn = server.dsn()
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE t AS SELECT 1 AS a")
        server.kill()
        connection.terminate()
        await server.restart()
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetchval("SELECT count(*) FROM t")
        await connection.close()

    assert rows == 1


async def test_postgres_is_fast_or_durable_as_asked(postgres_server: PostgresServer) -> None:
    """Flushing to disk is off unless asked for; settings given win."""
    async with PostgresServer.start(settings={"work_mem": "7MB"}, durable=True) as server:
        durable = [await shown(server.dsn(), name) for name in ("fsync", "work_mem")]
    fast = await shown(postgres_server.dsn(), "fsync")

    assert (durable, fast) == (["on", "7MB"], "off")
