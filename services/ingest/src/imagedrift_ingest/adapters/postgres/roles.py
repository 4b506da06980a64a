"""Roles and grants: what is granted is made equal to what `sql/roles.sql` says, at each migration.

Rules:
- `roles.sql` gives the statements that are missing. All are tried; what is still missing then is
  what this login may not do. A restore without roles, or by another owner, is so repaired or told.
- Migrations run without their statements on roles (`WithoutRoles`): an owner who may make no role
  gets as far as anybody, and roles that a DBA made beforehand are as good as ours.
- Roles belong to the whole cluster. Where it has two databases of ours, their readers are kept
  apart by names: `fleet.role_names` has what they begin with, and so is in every dump.
"""

import importlib.resources
import re
from typing import Any, Final

import asyncpg
from msgspec import Struct

PREFIX: Final = "imagedrift"
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""The form of a prefix."""
ROUNDS: Final = 3
"""Roles come first, then their grants; another migration can be between."""

_ABOUT_ROLES: Final = re.compile(
    r"\s*(GRANT|ALTER ROLE|ALTER DEFAULT PRIVILEGES|DO\b.*\bCREATE ROLE\b)",
    re.IGNORECASE | re.DOTALL,
)
_RENAME: Final = """
    INSERT INTO fleet.role_names (prefix) VALUES ($1)
    ON CONFLICT (id) DO UPDATE SET prefix = excluded.prefix
"""
_SHARED: Final = """
    SELECT DISTINCT d.datname
    FROM pg_shdepend AS s
    JOIN pg_database AS d ON d.oid = s.dbid AND d.datname <> current_database()
    JOIN pg_roles AS r ON r.oid = s.refobjid AND r.rolname = $1 || '_operator'
    WHERE s.refclassid = 'pg_authid'::regclass
    ORDER BY d.datname
"""


class UnrunStatement(Struct, frozen=True):
    """A statement that somebody else has to run, as this login may not."""

    statement: str
    is_needed: bool
    """Whether readers or ingest do not work without it."""


class WithoutRoles:
    """A connection that leaves out statements on roles."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, sql: str, *arguments: Any) -> str:
        """Run a statement, unless it is on roles."""
        if _ABOUT_ROLES.match(sql):
            return ""
        return str(await self._connection.execute(sql, *arguments))


async def rename(connection: asyncpg.Connection, prefix: str) -> str:
    """Let the names of this database's roles begin with `prefix`; return the prefix before."""
    before = await _prefix(connection)
    await connection.execute(_RENAME, prefix)
    return before


async def repair(connection: asyncpg.Connection, before: str = PREFIX) -> list[UnrunStatement]:
    """Grant missing rights, take away surplus ones, and return the statements that failed."""
    for _ in range(ROUNDS):
        for each in await find_missing(connection, before):
            await _try(connection, each.statement)
    return await find_missing(connection, before)


async def find_missing(
    connection: asyncpg.Connection, before: str = PREFIX
) -> list[UnrunStatement]:
    """Compare the grants with those that are written."""
    sql = importlib.resources.files("imagedrift_ingest") / "sql" / "roles.sql"
    prefix = await _prefix(connection)
    rows = await connection.fetch(sql.read_text(encoding="utf-8"), prefix, before)
    return [UnrunStatement(row["statement"], row["is_needed"]) for row in rows]


async def find_sharing(connection: asyncpg.Connection) -> list[str]:
    """Name the other databases whose readers have the same role as ours, and so read both."""
    return [row[0] for row in await connection.fetch(_SHARED, await _prefix(connection))]


async def _prefix(connection: asyncpg.Connection) -> str:
    if await connection.fetchval("SELECT to_regclass('fleet.role_names') IS NULL"):
        return PREFIX
    return await connection.fetchval("SELECT prefix FROM fleet.role_names") or PREFIX


async def _try(connection: asyncpg.Connection, statement: str) -> None:
    """Run a statement. What it could not do is missing at the next look."""
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(statement)
    except asyncpg.PostgresError:
        return
