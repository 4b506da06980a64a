"""Bringing the database to the newest schema, and telling whether it is there.

Rules:
- Migrations are the numbered .sql files of this package, forward only, one transaction each.
- Only one process migrates at a time: the rest wait on an advisory lock, then find nothing to do.
  The lock is a session's: connect to PostgreSQL itself, not through a pooler.
- A service never migrates. It refuses to start on another schema than its own.
"""

import importlib.resources
import logging
from pathlib import Path
from typing import Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pogo_core import error as pogo_error
from pogo_core.util import migrate as pogo
from pogo_core.util import sql as pogo_sql

from imagedrift_runtime import urls

SCHEMA: Final = "fleet"
LOCK: Final = 0x696D6167  # "imag": the same number for every version, for ever

_silent = logging.getLogger(f"{__name__}.pogo")
_silent.setLevel(logging.ERROR)


class WrongSchema(Exception):
    """The database's schema is not this version's; the message says what to do."""


class MigrationFailed(Exception):
    """A migration could not be applied; the ones before it are."""


def folder() -> Path:
    """Where the migrations are."""
    return Path(str(importlib.resources.files("imagedrift_ingest") / "sql" / "migrations"))


def known(directory: Path | None = None) -> list[str]:
    """Name the migrations that this version knows, in order."""
    return sorted(path.stem for path in (directory or folder()).glob("*.sql"))


async def migrate(dsn: str, directory: Path | None = None) -> list[str]:
    """Apply what is missing and return its names, in order. Safe to run twice at once."""
    wanted = directory or folder()
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await pogo_sql.ensure_pogo_sync(connection)
        before = await pogo_sql.get_applied_migrations(connection, schema_name=SCHEMA)
        _refuse_newer(before, known(wanted), dsn)
        await pogo.apply(connection, wanted, schema_name=SCHEMA, logger=_silent)
        return [name for name in known(wanted) if name not in before]
    except pogo_error.BadMigrationError as error:
        raise MigrationFailed(f"{error}: {error.__cause__ or 'see above'}") from error
    finally:
        await connection.close()


async def check(connection: asyncpg.Connection | PoolConnectionProxy) -> None:
    """Refuse to work on another schema than this version's. Raises `WrongSchema`."""
    if not await connection.fetchval("SELECT to_regclass('public._pogo_migration') IS NOT NULL"):
        raise WrongSchema("the database has no imagedrift schema: run `imagedrift migrate`")
    applied = await pogo_sql.get_applied_migrations(connection, schema_name=SCHEMA)
    _refuse_newer(applied, known(), "")
    missing = [name for name in known() if name not in applied]
    if missing:
        raise WrongSchema(
            f"the database lacks {', '.join(missing)}: run `imagedrift migrate` of this version"
        )


def _refuse_newer(applied: set[str], wanted: list[str], dsn: str) -> None:
    """Refuse a database that a newer version has migrated."""
    newer = sorted(applied.difference(wanted))
    if newer:
        where = f" ({urls.shown(dsn)})" if dsn else ""
        raise WrongSchema(
            f"the database{where} has {', '.join(newer)}, which this version does not know: "
            "run a newer imagedrift"
        )
