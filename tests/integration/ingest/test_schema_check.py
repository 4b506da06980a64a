"""A service works on the schema of its own version alone."""

import shutil
from pathlib import Path

import pytest

from imagedrift_ingest.__main__ import start
from imagedrift_ingest.adapters.postgres import migrations, schema_check
from imagedrift_ingest.settings import IngestSettings
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.process import Process
from imagedrift_runtime.settings import SettingsFault
from imagedrift_sandbox.nats import NatsServer
from support.ingest import Fleet


async def test_a_service_refuses_another_schema_and_says_what_to_do(
    database_dsn: str, fresh_nats: NatsServer, agents: Fleet, tmp_path: Path
) -> None:
    """Ingest refuses a missing, older or newer schema, and says what to do."""
    settings = IngestSettings(database_url=database_dsn, nats_url=(fresh_nats.url,))
    with pytest.raises(SettingsFault, match="run `imagedrift migrate`"):
        await start(settings, Process((), SystemClock()))

    first, *_ = schema_check.known()
    shutil.copy(schema_check.folder() / f"{first}.sql", tmp_path)
    await migrations.migrate(database_dsn, tmp_path)
    with pytest.raises(SettingsFault, match="lacks 0002_views"):
        await start(settings, Process((), SystemClock()))

    await migrations.migrate(database_dsn)
    newer = tmp_path / "9999_later.sql"
    newer.write_text(
        "-- Later\n-- depends:\n-- migrate: apply\nSELECT 1;\n-- migrate: rollback\nSELECT 1;\n"
    )
    for path in schema_check.folder().glob("*.sql"):
        shutil.copy(path, tmp_path)
    await migrations.migrate(database_dsn, tmp_path)
    with pytest.raises(SettingsFault, match="9999_later, which this version does not know"):
        await start(settings, Process((), SystemClock()))
