"""Bringing the database to the newest schema.

Rules:
- Migrations are the numbered .sql files of this package, forward only, one transaction each.
- Only one process migrates at a time: the rest wait on an advisory lock, then find nothing to do.
  The lock is a session's: connect to PostgreSQL itself, not through a pooler. Any login can
  take it: the wait ends, and names who has it.
- Each run ends with the roles and what is granted (`roles`), also where no migration was missing.
- A service never migrates, and does not load this: see `schema_check`.
"""

from pathlib import Path
from typing import Final, cast

import asyncpg
from pogo_core import error as pogo_error
from pogo_core.migration import topological_sort
from pogo_core.util import migrate as pogo
from pogo_core.util import sql as pogo_sql

from imagedrift_ingest.adapters.postgres import roles
from imagedrift_ingest.adapters.postgres.schema_check import (
    SCHEMA,
    WrongSchema,
    applied_in,
    folder,
    known,
    refuse_newer,
)

LOCK: Final = 0x696D6167  # "imag": the same number for every version, for ever
WAIT_S: Final = 120.0
PROGRAM: Final = "imagedrift-migrate"

_HOLDER: Final = """
    SELECT l.pid, a.usename, a.application_name
    FROM pg_locks AS l
    LEFT JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid::bigint = $1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_GRANT: Final = """
    SELECT format(
      'GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint) TO %I', current_user)
"""


class MigrationFailed(Exception):
    """A migration could not be applied; the ones before it are."""


class RightsIncomplete(Exception):
    """The schema is there, but readers or ingest lack rights; the message has the SQL to be run."""


FAULTS: Final = (WrongSchema, MigrationFailed, RightsIncomplete)
"""The exceptions of `migrate` that are put into words."""


async def migrate(
    dsn: str,
    directory: Path | None = None,
    *,
    role_names: str = "",
    wait_s: float = WAIT_S,
) -> list[str]:
    """Apply the missing migrations and return their names, in order. Safe to run twice at once.

    With `role_names` the names of the roles begin with that from now on. Raises `WrongSchema`,
    `MigrationFailed`, and at the end `RightsIncomplete`.
    """
    wanted = directory or folder()
    connection = await asyncpg.connect(dsn, server_settings={"application_name": PROGRAM})
    try:
        await _lock(connection, wait_s)
        await pogo_sql.ensure_pogo_sync(connection)
        before = await applied_in(connection)
        refuse_newer(before, known(wanted), dsn)
        missing = [name for name in known(wanted) if name not in before]
        await _apply(connection, wanted)
        named = await roles.rename(connection, role_names) if role_names else roles.PREFIX
        _refuse_missing(await roles.repair(connection, named))
        return missing
    except pogo_error.BadMigrationError as error:
        raise MigrationFailed(f"{error}: {error.__cause__ or 'see above'}") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationFailed(
            f"{error}: migrate as the owner of the database and of all that is in it"
        ) from error
    finally:
        await connection.close()


async def advice(dsn: str) -> list[str]:
    """List advice on a migrated database: statements, and a remark."""
    connection = await asyncpg.connect(dsn)
    try:
        lines = [f"{each.statement};" for each in await roles.find_missing(connection)]
        if sharing := await roles.find_sharing(connection):
            others = ", ".join(sharing)
            lines.append(
                f"-- {others}: in this cluster, with the same roles: who reads one reads all;"
                " `imagedrift migrate --roles NAME` gives this database roles of its own"
            )
        return lines
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, wanted: Path) -> None:
    """Apply the missing migrations: pogo's own `apply` reads every file twice, for seconds."""
    without_roles = cast(asyncpg.Connection, roles.WithoutRoles(connection))
    found = await pogo_sql.read_migrations(wanted, connection, schema_name=SCHEMA)
    missing = [migration.load() for migration in found if not migration.applied]
    for migration in topological_sort(sorted(missing, key=lambda each: each.id)):
        try:
            async with pogo.transaction(without_roles, migration):
                await migration.apply(without_roles)
                await pogo_sql.migration_applied(
                    without_roles, migration.id, migration.hash, schema_name=SCHEMA
                )
        except Exception as error:
            raise pogo_error.BadMigrationError(f"Failed to apply {migration.id}") from error


async def _lock(connection: asyncpg.Connection, wait_s: float) -> None:
    """Wait until no other process migrates. Raises `MigrationFailed`, which names who does."""
    try:
        await connection.execute(f"SET lock_timeout = '{int(wait_s * 1000)}ms'")
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await connection.execute("RESET lock_timeout")
    except asyncpg.InsufficientPrivilegeError as error:
        grant = await connection.fetchval(_GRANT)
        raise MigrationFailed(
            f"{error}: everybody but the owner of before was refused this. Let a superuser run,"
            f" then migrate again:\n{grant};"
        ) from error
    except asyncpg.LockNotAvailableError as error:
        holder = await connection.fetchrow(_HOLDER, LOCK)
        told = (
            f"process {holder['pid']} of {holder['usename']} ({holder['application_name']}): end it"
            f" with SELECT pg_terminate_backend({holder['pid']}), if it is not another migration"
            if holder
            else "it is free now: run this again"
        )
        raise MigrationFailed(
            f"the lock of migrations was held for {wait_s:g} s: {told}"
        ) from error


def _refuse_missing(missing: list[roles.UnrunStatement]) -> None:
    """Refuse to call a database ready that readers or ingest cannot work with."""
    if any(each.is_needed for each in missing):
        statements = "\n".join(f"  {each.statement};" for each in missing)
        raise RightsIncomplete(
            "the schema is up to date, but this login may not give ingest and readers their rights."
            f" Let the owner of the objects or a superuser run, then migrate again:\n{statements}"
        )
