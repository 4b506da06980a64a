"""Rights, as DBAs hand them out: checked at each migration, mended, or told as SQL."""

import uuid
from urllib.parse import urlsplit

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import migrations, schema_check
from imagedrift_ingest.adapters.postgres.migrations import MigrationFailed
from imagedrift_sandbox.postgres import PostgresServer
from support.logins import assert_all_work, connected, login, make_logins, make_owner, run

CHANGES = (
    "REVOKE ALL ON ALL TABLES IN SCHEMA ops, fleet FROM imagedrift_operator, imagedrift_writer",
    "REVOKE SELECT ON ops.outdated FROM imagedrift_operator",
    "REVOKE ALL ON SCHEMA ops, fleet FROM imagedrift_operator, imagedrift_writer",
    "REVOKE ALL ON FUNCTION fleet.make_months(integer) FROM imagedrift_writer",
    "REVOKE ALL ON public._pogo_migration FROM imagedrift_writer",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "GRANT ALL ON FUNCTION fleet.drop_months(timestamptz) TO PUBLIC",
    "GRANT ALL ON ALL TABLES IN SCHEMA fleet TO imagedrift_operator",
    "GRANT SELECT ON fleet.hosts TO PUBLIC",
    "GRANT SELECT (labels), UPDATE (labels) ON fleet.hosts TO imagedrift_operator",
    "GRANT INSERT (until) ON fleet.turns TO PUBLIC",
    "GRANT ALL ON FUNCTION ops.undo(bigint, text) TO PUBLIC",
    "REVOKE ALL ON FUNCTION ops.undo(bigint, text) FROM imagedrift_decider",
    "GRANT INSERT ON fleet.decisions TO imagedrift_decider",
    "GRANT USAGE, CREATE ON SCHEMA fleet TO PUBLIC",
    "CREATE VIEW ops.newer AS SELECT 1 AS one; CREATE TABLE fleet.later (x integer)",
)
"""Too little and too much, on each kind of thing."""

DEFINERS = """
    SELECT p.oid::regprocedure::text AS name, p.proconfig AS settings,
      pg_get_userbyid(p.proowner) = pg_get_userbyid(n.nspowner) AS is_the_schemas_owner,
      has_function_privilege('imagedrift_operator', p.oid, 'EXECUTE') AS is_open
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


async def test_whatever_is_granted_otherwise_is_made_right(schema: str) -> None:
    """Missing and superfluous grants on every kind of object are mended."""
    await migrations.migrate(schema)
    await make_logins(schema)
    await migrations.migrate(schema)
    assert await migrations.advice(schema) == []
    for change in CHANGES:
        await run(schema, change)
        assert await migrations.advice(schema) != [], change

        assert await migrations.migrate(schema) == []

        assert await migrations.advice(schema) == [], change
    await assert_all_work(schema)


async def test_where_everybody_is_kept_out_those_who_belong_there_are_not(schema: str) -> None:
    """Readers and ingest keep their rights where PUBLIC has none."""
    await migrations.migrate(schema)
    await make_logins(schema)
    await run(
        schema,
        f"REVOKE ALL ON DATABASE {urlsplit(schema).path[1:]} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    )

    await assert_all_work(schema)


async def test_a_reader_can_neither_fill_the_disk_nor_hold_up_writers(schema: str) -> None:
    """A reader can make no table, and its forgotten session ends."""
    await migrations.migrate(schema)
    await make_logins(schema)
    await run(schema, "ALTER ROLE alice SET statement_timeout = '7s'")
    await migrations.migrate(schema)

    async with connected(login(schema, "alice")) as reader:
        shown = [
            await reader.fetchval(f"SHOW {name}")
            for name in (
                "idle_in_transaction_session_timeout",
                "lock_timeout",
                "statement_timeout",
                "default_transaction_read_only",
                "search_path",
            )
        ]
        assert shown == ["1min", "5s", "7s", "on", "ops"]
        version = await reader.fetchval("SELECT current_setting('server_version_num')::integer")
        if version >= 170000:
            assert await reader.fetchval("SHOW transaction_timeout") == "10min"
        await reader.execute("SET default_transaction_read_only = off")
        for refused in (
            "CREATE TEMP TABLE mine AS SELECT 1",
            "CREATE TABLE public.mine (x integer)",
            "LOCK TABLE ops.outdated IN SHARE MODE",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with reader.transaction():
                    await reader.execute(refused)
    async with connected(login(schema, "ingest")) as writer:
        assert await writer.fetchval("SHOW default_transaction_read_only") == "off"


ABUSES = (
    "SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 100000) AS n",
    "SELECT count(pg_try_advisory_lock_shared(1, n)) FROM generate_series(1, 100000) AS n",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT lo_from_bytea(0, decode(repeat('00', 1000), 'hex'))",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SET temp_file_limit = -1",
)
"""What PostgreSQL lets every login do that may connect."""


async def test_no_function_of_the_server_lets_a_reader_stop_all_or_fill_the_disk(
    schema: str,
) -> None:
    """A reader fills neither the table of locks, nor the disk, by what PostgreSQL lets all do."""
    await migrations.migrate(schema)
    await make_logins(schema)
    await migrations.migrate(schema)

    async with connected(login(schema, "alice")) as reader:
        await reader.execute("SET default_transaction_read_only = off")
        for abuse in ABUSES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(abuse)
        assert await reader.fetchval("SHOW temp_file_limit") == "4GB"


async def test_an_owner_migrates_where_nobody_else_may_lock(empty: str) -> None:
    """The SQL that an owner lets a superuser run bounds readers, and leaves the owner able."""
    owner = await make_owner(empty, "CREATEROLE")
    await migrations.migrate(owner)
    await make_logins(empty)

    await run(empty, *await migrations.advice(owner))

    assert await migrations.migrate(owner) == []
    assert await migrations.advice(owner) == []
    await assert_all_work(empty)
    async with connected(login(empty, "alice")) as reader:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("SELECT pg_advisory_lock(1)")


async def test_a_new_owner_who_may_not_lock_is_told_what_to_run(empty: str) -> None:
    """A database that another owner got, with the rights of before, says in SQL what it lacks."""
    await migrations.migrate(empty)
    owner = await make_owner(empty)
    with pytest.raises(MigrationFailed, match="GRANT EXECUTE") as refused:
        await migrations.migrate(owner)

    await run(empty, str(refused.value).splitlines()[-1])

    with pytest.raises(MigrationFailed, match="migrate as the owner"):
        await migrations.migrate(owner)


async def test_functions_with_the_owners_rights_are_bounded(schema: str) -> None:
    """Functions with the owner's rights have a fixed search path, and no reader may call them."""
    await migrations.migrate(schema)

    async with connected(schema) as connection:
        found = await connection.fetch(DEFINERS)
        assert len(found) >= 3
        for function in found:
            assert function["settings"] == ["search_path=pg_catalog, pg_temp"], function["name"]
            assert function["is_the_schemas_owner"], function["name"]
            assert not function["is_open"], function["name"]
        await connection.execute("SET ROLE imagedrift_writer")
        assert await connection.fetchval("SELECT fleet.make_months(2147483647)") == 22
        assert await connection.fetchval("SELECT fleet.drop_months('infinity')") == 0


async def test_a_lock_that_a_reader_holds_ends_the_wait_with_his_name(schema: str) -> None:
    """A lock of migrations that a login holds ends the wait with its name."""
    await migrations.migrate(schema)
    await make_logins(schema)
    await run(schema, "GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO alice")
    async with connected(login(schema, "alice")) as reader:
        await reader.execute("SELECT pg_advisory_lock($1)", migrations.LOCK)

        with pytest.raises(MigrationFailed, match=r"of alice .*pg_terminate_backend"):
            await migrations.migrate(schema, wait_s=0.1)


async def test_a_reader_of_one_database_reads_no_other(cluster: PostgresServer, empty: str) -> None:
    """With roles of its own, a database's readers read no other database."""
    name = f"other_{uuid.uuid4().hex}"
    other = cluster.create_database(name)
    try:
        await migrations.migrate(empty)
        await migrations.migrate(other)
        assert urlsplit(empty).path[1:] in (await migrations.advice(other))[0]
        await migrations.migrate(other, role_names="second")
        await make_logins(empty)
        assert await migrations.migrate(other) == await migrations.migrate(empty) == []

        assert await migrations.advice(empty) == await migrations.advice(other) == []
        await assert_all_work(empty)
        async with connected(login(other, "alice")) as stranger:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await stranger.fetch("SELECT * FROM ops.outdated")
        async with connected(other) as connection:
            await connection.execute("SET ROLE second_operator")
            await connection.fetch("SELECT * FROM ops.outdated")
    finally:
        cluster.drop_database(name)


async def test_ingest_without_the_writers_role_is_told_what_it_lacks(schema: str) -> None:
    """Ingest without the writer's role does not start, and says why."""
    await migrations.migrate(schema)
    await run(schema, "CREATE ROLE ingest LOGIN PASSWORD 'x'")

    async with connected(login(schema, "ingest")) as stranger:
        with pytest.raises(
            schema_check.WrongSchema,
            match="give this login the role imagedrift_writer, or NAME_writer",
        ):
            await schema_check.check(stranger)


async def test_a_decider_decides_under_its_own_name_and_writes_nothing_else(schema: str) -> None:
    """A login that otherwise only reads decides as a decider; a reader decides nothing."""
    await migrations.migrate(schema)
    await make_logins(schema)
    await run(
        schema,
        "CREATE ROLE boss LOGIN PASSWORD 'x' IN ROLE imagedrift_decider, imagedrift_operator",
    )
    await migrations.migrate(schema)
    assert await migrations.advice(schema) == []
    decide = "SELECT ops.decide('quay.io/org/*', '{}', 'ignore', NULL, 'not ours')"

    async with connected(login(schema, "alice")) as reader:
        await reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(decide)
    async with connected(login(schema, "boss")) as decider:
        await decider.execute(decide)
        assert await decider.fetchval("SELECT by FROM ops.decisions") == "boss"
        assert await decider.fetchval("SHOW statement_timeout") == "30s"
        for refused in (
            "INSERT INTO fleet.decisions (kind, pattern, reason) VALUES ('ignore', '', 'x')",
            "SELECT * FROM fleet.decisions",
            "SELECT fleet.make_months(1)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await decider.execute(refused)


async def test_a_database_without_deciders_works(empty: str) -> None:
    """Where the owner may make no role and a DBA made the two of before, that is advice alone."""
    await run(empty, "CREATE ROLE imagedrift_operator", "CREATE ROLE imagedrift_writer")
    owner = await make_owner(empty)
    assert await migrations.migrate(owner) == schema_check.known()
    assert "CREATE ROLE imagedrift_decider NOLOGIN;" in await migrations.advice(owner)
