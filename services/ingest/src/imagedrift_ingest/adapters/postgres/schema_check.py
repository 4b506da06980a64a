"""Telling whether the database has the schema of this version.

A service never migrates: it refuses to start on another schema than its own. The libraries that
migrate cost 40 ms and 3 MB at each start, so they are loaded by `migrations` alone.
"""

import importlib.resources
from pathlib import Path
from typing import Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from imagedrift_runtime import urls

SCHEMA: Final = "fleet"
"""The name under which pogo keeps our migrations apart from those of others."""

_HAS_MIGRATIONS: Final = "SELECT to_regclass('public._pogo_migration') IS NOT NULL"
_APPLIED: Final = "SELECT migration_id FROM public._pogo_migration WHERE schema_name = $1"

CheckedConnection = asyncpg.Connection | PoolConnectionProxy


class WrongSchema(Exception):
    """The database's schema is not this version's; the message names the remedy."""


def folder() -> Path:
    """Where the migrations are."""
    return Path(str(importlib.resources.files("imagedrift_ingest") / "sql" / "migrations"))


def known(directory: Path | None = None) -> list[str]:
    """Name the migrations that this version knows, in order."""
    return sorted(path.stem for path in (directory or folder()).glob("*.sql"))


async def applied_in(connection: CheckedConnection) -> set[str]:
    """Name the migrations that a database has, by the table that pogo keeps."""
    return {row["migration_id"] for row in await connection.fetch(_APPLIED, SCHEMA)}


async def check(connection: CheckedConnection) -> None:
    """Refuse to work on another schema than this version's. Raises `WrongSchema`."""
    if not await connection.fetchval(_HAS_MIGRATIONS):
        raise WrongSchema("the database has no imagedrift schema: run `imagedrift migrate`")
    try:
        applied = await applied_in(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        raise WrongSchema(
            f"{error}: run `imagedrift migrate`, and give this login the role imagedrift_writer, or"
            " NAME_writer after `migrate --roles NAME`"
        ) from error
    refuse_newer(applied, known())
    missing = [name for name in known() if name not in applied]
    if missing:
        raise WrongSchema(
            f"the database lacks {', '.join(missing)}: run `imagedrift migrate` of this version"
        )


def refuse_newer(applied: set[str], wanted: list[str], dsn: str = "") -> None:
    """Refuse a database that a newer version has migrated. Raises `WrongSchema`."""
    newer = sorted(applied.difference(wanted))
    if newer:
        where = f" ({urls.shown(dsn)})" if dsn else ""
        raise WrongSchema(
            f"the database{where} has {', '.join(newer)}, which this version does not know: "
            "run a newer imagedrift"
        )
