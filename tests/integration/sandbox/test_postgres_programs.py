"""The programs of PostgreSQL: another version's, or told by name that there are none."""

from pathlib import Path

import asyncpg
import pytest

from imagedrift_sandbox.child_process import ProgramError
from imagedrift_sandbox.postgres import PostgresServer


async def test_postgres_15_of_debian_runs_too(database_dsn_15: str) -> None:
    """The launcher serves the oldest supported version."""
    connection = await asyncpg.connect(database_dsn_15)
    version = await connection.fetchval("SHOW server_version_num")
    await connection.close()

    assert version.startswith("15")


def test_a_folder_without_postgres_is_refused_by_name(tmp_path: Path) -> None:
    """The error names the folder and what is missing in it."""
    with (
        pytest.raises(ProgramError, match=f"no postgres, .* in {tmp_path}"),
        PostgresServer.start_sync(binaries=tmp_path),
    ):
        pass
