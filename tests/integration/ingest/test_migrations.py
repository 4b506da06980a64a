"""Migrations: applied once, mending what earlier versions stored."""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import migrations, schema_check
from support.ingest import GOOD_ROWS, MISCOUNTED, digest
from support.postgres import NEWEST, OLDEST

# On the oldest PostgreSQL from the first one alone: every migration is then run there, on rows.
UPGRADES = [(NEWEST, version) for version in range(1, len(schema_check.known()))] + [(OLDEST, 1)]

BAD_TIMES = f"""
    UPDATE fleet.comparisons SET created_at = '-infinity';
    UPDATE fleet.answers SET remote_digest = '{digest(1)}', remote_since = 'infinity',
      checked_at = '-infinity', attempted_at = 'infinity', next_check_at = 'infinity';
    INSERT INTO fleet.remote_history (ref_id, valid_from, valid_to, digest) VALUES
      (1, '-infinity', '2026-01-01', '{digest(1)}'), (1, '2026-01-02', 'infinity', '{digest(1)}');
    INSERT INTO fleet.descriptions (digest, described_at) VALUES ('{digest(1)}', 'infinity');
    INSERT INTO fleet.registry_states (registry, credential, observed_at, blocked_until)
      VALUES ('r.io', 'anonymous', '-infinity', 'infinity');
    INSERT INTO fleet.dead_letters
      (epoch, seq, received_at, service, subject, stream, stream_seq, reason, error, payload)
      VALUES (1, 1, 'infinity', 's', 's', 's', 1, 'r', 'e', '');
"""
"""What an earlier schema let in."""

ODD_TIMES = BAD_TIMES.replace("-infinity", "0004-02-29").replace("infinity", "4000-01-01")
"""The same as far as a schema after that let it in."""

MENDED = {
    "comparisons": ("checked_at", "next_check_at", "verdict_since"),
    "images": ("remote_since",),
    "registries": ("observed_at", "blocked_until"),
    "tag_history": ("valid_from", "valid_to"),
    "dead_letters": ("received_at", "first_received_at"),
}


def test_migrating_twice_at_once_migrates_once(database_dsn: str) -> None:
    """Of two migrations at once one waits, and finds nothing to do."""

    async def twice() -> list[list[str]]:
        return list(await asyncio.gather(*(migrations.migrate(database_dsn) for _ in range(2))))

    assert sorted(asyncio.run(twice())) == [[], schema_check.known()]


@pytest.mark.parametrize(("server", "version"), UPGRADES, indirect=["server"])
async def test_a_database_of_every_earlier_schema_is_brought_to_this_one(
    database_dsn: str, tmp_path: Path, version: int
) -> None:
    """Rows of every earlier schema are readable after the upgrade."""
    for name in schema_check.known()[:version]:
        shutil.copy(schema_check.folder() / f"{name}.sql", tmp_path)
    await migrations.migrate(database_dsn, tmp_path)
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute(GOOD_ROWS)
        assert await migrations.migrate(database_dsn) == schema_check.known()[version:]
        row = await connection.fetchrow("SELECT * FROM ops.comparisons")
        assert row is not None
        assert (row["host"], row["reference"]) == ("web-1", "r.io/a:1")
        assert await connection.fetchval("SELECT count(*) FROM fleet.generation") == 1
        assert await connection.fetchval("SELECT hosts FROM ops.images") == 1
        assert await connection.fetch(MISCOUNTED) == []
    finally:
        await connection.close()


async def migrate_to_before(number: str, dsn: str, folder: Path) -> None:
    """Migrate as a version did that had no migration of this number or later."""
    for name in schema_check.known():
        if name < number:
            shutil.copy(schema_check.folder() / f"{name}.sql", folder)
    await migrations.migrate(dsn, folder)


async def test_moments_that_clients_cannot_read_are_mended_by_the_upgrade(
    database_dsn: str, tmp_path: Path
) -> None:
    """The upgrade removes times that clients cannot read."""
    await migrate_to_before("0010", database_dsn, tmp_path)
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute(GOOD_ROWS + BAD_TIMES)
        await migrations.migrate(database_dsn)
        for view, rows in (("comparisons", 1), ("tag_history", 1), ("registries", 1)):
            found = await connection.fetch(f"SELECT t::text FROM ops.{view} AS t")
            assert len(found) == rows
            assert "infinity" not in str(found)
        letters = await connection.fetch("SELECT received_at::text FROM ops.dead_letters")
        assert "infinity" not in str(letters)
    finally:
        await connection.close()


async def test_moments_that_cannot_be_are_mended_by_the_upgrade(
    database_dsn: str, tmp_path: Path
) -> None:
    """The upgrade mends impossible times that older versions stored."""
    await migrate_to_before("0010", database_dsn, tmp_path)
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute(GOOD_ROWS + ODD_TIMES)
        await migrations.migrate(database_dsn)
        [row] = await connection.fetch("SELECT * FROM ops.comparisons")
        assert row["created_at"] is None
        bounds = "BETWEEN '2026-01-01' AND now() + interval '1 day'"
        for view, moments in MENDED.items():
            found = await connection.fetchrow(
                f"SELECT {', '.join(f'{moment} {bounds}' for moment in moments)} FROM ops.{view}"
            )
            assert found is not None
            assert set(found.values()) <= {True, None}, view
    finally:
        await connection.close()


async def test_references_that_nobody_has_are_laid_to_rest_by_the_upgrade(
    database_dsn: str, tmp_path: Path
) -> None:
    """After the upgrade references without hosts are not due."""
    await migrate_to_before("0011", database_dsn, tmp_path)
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute(
            f"""
            {GOOD_ROWS}
            INSERT INTO fleet.image_refs (ref_id, reference, registry, repository, tag, policy)
              OVERRIDING SYSTEM VALUE VALUES (2, 'r.io/b:1', 'r.io', 'b', '1', 'ask');
            INSERT INTO fleet.answers (ref_id) VALUES (2);
            UPDATE fleet.answers SET next_check_at = 'epoch';
            """
        )
        await migrations.migrate(database_dsn)
        sql = "SELECT ref_id, brought_by FROM fleet.answers WHERE next_check_at = 'epoch'"
        assert [(*row,) for row in await connection.fetch(sql)] == [(1, 1)]
    finally:
        await connection.close()


async def test_a_migration_that_fails_names_itself_and_leaves_the_others(
    database_dsn: str, tmp_path: Path
) -> None:
    """A failing migration is named, and the earlier ones stay."""
    good, bad = tmp_path / "0001_good.sql", tmp_path / "0002_bad.sql"
    text = "-- {0}\n-- depends: {1}\n-- migrate: apply\n{2};\n-- migrate: rollback\nSELECT 1;\n"
    good.write_text(text.format("good", "", "CREATE TABLE public.kept (x integer)"))
    bad.write_text(
        text.format("bad", "0001_good", "CREATE TABLE public.lost (x integer); SELECT 1/0")
    )

    with pytest.raises(migrations.MigrationFailed, match=r"0002_bad.*division by zero"):
        await migrations.migrate(database_dsn, tmp_path)

    connection = await asyncpg.connect(database_dsn)
    try:
        assert await connection.fetchval("SELECT to_regclass('public.kept') IS NOT NULL")
        assert await connection.fetchval("SELECT to_regclass('public.lost') IS NULL")
    finally:
        await connection.close()
