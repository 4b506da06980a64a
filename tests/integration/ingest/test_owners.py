"""Migrating as an owner without rights, and as one of many on a cluster."""

import asyncio
import re
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main
from imagedrift_ingest.adapters.postgres import migrations, roles, schema_check
from imagedrift_ingest.adapters.postgres.migrations import MigrationFailed, RightsIncomplete
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import run_program
from support.deploy import ROOT
from support.ingest import GOOD_ROWS
from support.logins import assert_all_work, connected, login, make_logins, make_owner, run

ROLES = ("operator", "writer", "decider", "notifier")


async def test_a_database_without_its_roles_gets_them_back(empty: str) -> None:
    """A database that was restored without its roles gets them by `migrate`."""
    await migrations.migrate(empty)
    for role in ("imagedrift_operator", "imagedrift_writer"):
        await run(empty, f"DROP OWNED BY {role}", f"DROP ROLE {role}")

    assert await migrations.migrate(empty) == []

    await make_logins(empty)
    await assert_all_work(empty)


@pytest.mark.parametrize("options", ["", "CREATEROLE"])
async def test_an_owner_migrates_where_a_dba_made_the_roles(empty: str, options: str) -> None:
    """An owner without power over the roles can migrate where a DBA made them."""
    await run(empty, "CREATE ROLE imagedrift_operator", "CREATE ROLE imagedrift_writer")
    owner = await make_owner(empty, options)

    assert await migrations.migrate(owner) == schema_check.known()
    assert await migrations.migrate(owner) == []

    await make_logins(empty)
    await assert_all_work(empty)


async def test_an_owner_who_may_make_roles_needs_nobody(empty: str) -> None:
    """An owner with CREATEROLE makes the roles himself."""
    owner = await make_owner(empty, "CREATEROLE")

    assert await migrations.migrate(owner) == schema_check.known()

    await make_logins(empty)
    await assert_all_work(empty)


async def test_what_an_owner_may_not_do_is_told_as_sql(empty: str) -> None:
    """Statements that the owner may not run are printed as SQL, and are right."""
    owner = await make_owner(empty)

    with pytest.raises(
        RightsIncomplete, match="CREATE ROLE imagedrift_operator NOLOGIN;"
    ) as refused:
        await migrations.migrate(owner)
    await run(empty, *str(refused.value).splitlines()[1:])

    assert await migrations.migrate(owner) == []
    await make_logins(empty)
    await assert_all_work(empty)


async def test_the_command_tells_what_a_superuser_has_to_run(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`migrate` exits with 2 where ingest or readers cannot work, and else with 0."""
    owner = await make_owner(empty)
    monkeypatch.setenv("DATABASE_URL", owner)

    refused = await asyncio.to_thread(CliRunner().invoke, main, ["migrate"])
    assert refused.exit_code == 2
    assert "CREATE ROLE imagedrift_operator NOLOGIN;" in refused.output
    assert "\n  GRANT" in refused.output

    await run(empty, "CREATE ROLE imagedrift_operator", "CREATE ROLE imagedrift_writer")
    await make_logins(empty)
    advised = await asyncio.to_thread(CliRunner().invoke, main, ["migrate"])
    assert advised.exit_code == 0
    assert "the schema is up to date" in advised.output
    assert "ALTER ROLE alice IN DATABASE" in advised.output

    wrong = await asyncio.to_thread(CliRunner().invoke, main, ["migrate", "--roles", "Two;"])
    assert wrong.exit_code == 64
    assert "lower-case letters" in wrong.output


async def test_who_may_not_make_a_schema_is_told_so(empty: str) -> None:
    """A login that may not make a schema is told before anything is changed."""
    await run(empty, "CREATE ROLE app LOGIN PASSWORD 'x'")

    with pytest.raises(MigrationFailed, match="migrate as the owner of the database"):
        await migrations.migrate(login(empty, "app"))


async def test_a_dump_is_read_into_another_cluster_after_or_before_the_schema_is_made(
    cluster: PostgresServer, empty: str, tmp_path: Path
) -> None:
    """A dump can be restored into another cluster before or after `migrate`."""
    await migrations.migrate(empty, role_names="second")
    await run(empty, GOOD_ROWS, "INSERT INTO notify.routes (route) VALUES ('ops')")
    dump = tmp_path / "dump"
    program(cluster, "pg_dump", empty, "--format=custom", f"--file={dump}")
    for migrated in (False, True):
        with PostgresServer.start_sync(binaries=cluster.binaries) as other:
            owner = await make_owner(other.dsn(), "CREATEROLE")
            if migrated:
                await migrations.migrate(owner)
                await run(other.dsn(), "TRUNCATE fleet.generation")
                options = ["--data-only", "--disable-triggers", *documented_schemas()]
                program(cluster, "pg_restore", other.dsn(), *options, str(dump))
            else:
                options = ["--no-owner", "--single-transaction"]
                await run(other.dsn(), *(f"CREATE ROLE second_{name}" for name in ROLES))
                program(cluster, "pg_restore", owner, *options, str(dump))

            assert await migrations.migrate(owner) == []

            await run(other.dsn(), *await migrations.advice(owner))
            assert await migrations.advice(owner) == []
            await make_logins(other.dsn(), "second")
            async with connected(login(owner, "alice")) as reader:
                assert len(await reader.fetch("SELECT * FROM ops.comparisons")) == 1
                assert len(await reader.fetch("SELECT * FROM ops.routes")) == 1
            async with connected(login(owner, "ingest")) as writer:
                await schema_check.check(writer)
                assert await writer.execute("DELETE FROM fleet.dead_letters") == "DELETE 0"


def documented_schemas() -> list[str]:
    """Read which schemas the documentation restores."""
    page = (ROOT / "docs/operators.md").read_text(encoding="utf-8")
    return re.findall(r"--schema=\w+", page)


def program(server: PostgresServer, name: str, dsn: str, *options: str) -> None:
    """Run one of PostgreSQL's programs."""
    assert server.binaries is not None
    run_program([server.binaries / name, f"--dbname={dsn}", *options])


async def test_two_databases_of_one_cluster_are_migrated_at_once(
    cluster: PostgresServer, empty: str
) -> None:
    """Two databases of one cluster can be migrated at once."""
    name = f"other_{uuid.uuid4().hex}"
    other = cluster.create_database(name)
    try:
        await asyncio.gather(migrations.migrate(empty), migrations.migrate(other))
        for dsn in (empty, other):
            async with connected(dsn) as connection:
                assert await roles.find_missing(connection) == []
    finally:
        cluster.drop_database(name)
