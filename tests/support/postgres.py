"""PostgreSQL for the tests: the newest and the oldest version that we support, and databases."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import debian_binaries
from support.programs import missing

NEWEST = "postgresql-18"
"""The embedded one."""
OLDEST = "postgresql-15"
"""Debian's."""
VERSIONS = (NEWEST, OLDEST)


def programs(version: str, find: Callable[[int], Path | None] = debian_binaries) -> Path | None:
    """Where a version's programs are, None for the embedded ones; skips where they are missing."""
    if version == NEWEST:
        return None
    found = find(15)
    if found is None:
        missing("PostgreSQL 15", "apt-get install postgresql-15")
    return found


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
