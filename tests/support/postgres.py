"""PostgreSQL for the tests: the newest and the oldest version that we support, and databases.

Most tests make a database of some hundred files, and drop it. A file system of a disk takes long to
create files soon after others were removed, so servers of many tests have theirs in memory.
"""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import asyncpg

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import debian_binaries
from support.programs import missing

NEWEST = "postgresql-18"
"""The embedded one."""
OLDEST = "postgresql-15"
"""Debian's."""
VERSIONS = (NEWEST, OLDEST)
MEMORY: Final = Path("/dev/shm")
ROOM: Final = 4 * 1024**3
"""Bytes that have to be free there, for all servers of a suite."""


def programs(version: str, find: Callable[[int], Path | None] = debian_binaries) -> Path | None:
    """Where a version's programs are, None for the embedded ones; skips where they are missing."""
    if version == NEWEST:
        return None
    found = find(15)
    if found is None:
        missing("PostgreSQL 15", "apt-get install postgresql-15")
    return found


@contextmanager
def shared_server(version: str) -> Iterator[PostgresServer]:
    """Run a server for many tests, with its files in memory where there is room."""
    with (
        memory_folder() as folder,
        PostgresServer.start_sync(
            folder, binaries=programs(version), settings={"max_wal_size": "128MB"}
        ) as server,
    ):
        yield server


@contextmanager
def memory_folder(memory: Path = MEMORY, room: int = ROOM) -> Iterator[Path | None]:
    """Make a folder in memory for the length of the context; None where there is no room."""
    if not memory.is_dir() or shutil.disk_usage(memory).free < room:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="imagedrift-postgres-", dir=memory) as made:
        Path(made).chmod(0o755)  # PostgreSQL's user has to reach it
        yield Path(made) / "home"


def fresh_database(server: PostgresServer, template: str | None = None) -> Iterator[str]:
    """Create a database, give its dsn, and drop it."""
    name = f"test_{uuid.uuid4().hex}"
    yield server.create_database(name, template)
    server.drop_database(name)


@cache
def migrated(server: PostgresServer) -> str:
    """The name of a database of that server with the schema, made once, to be copied by tests."""
    name = f"migrated_{uuid.uuid4().hex}"
    asyncio.run(migrate(server.create_database(name)))
    return name


@asynccontextmanager
async def owner(postgres: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """Connect as the owner of a server's database."""
    connection = await asyncpg.connect(postgres.dsn())
    try:
        yield connection
    finally:
        await connection.close()
