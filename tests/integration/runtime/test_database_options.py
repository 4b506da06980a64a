"""Every service that reads a database tells a wrong option of its address, as the command does."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imagedrift_dashboard.adapters.database import open_reader
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.query import fixed
from imagedrift_dashboard.markup.tag_table import TagPeriod
from imagedrift_ingest.adapters.postgres import connection, schema_check
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_notifier.adapters.database import open_database
from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_runtime.settings import SettingsFault
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.processes import ServiceProcess
from support.storing import database_of

SERVICES = ("imagedrift-dashboard", "imagedrift-ingest", "imagedrift-notifier")
WRONG = [("PGPORT", "x"), ("PGPORT", "99999"), ("PGSSLMODE", "x"), ("PGTARGETSESSIONATTRS", "x")]
OPENED: list[Callable[[str], AbstractAsyncContextManager[Any]]] = [
    open_reader,
    partial(connection.pool, connections=1),
    open_database,
]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_with_a_wrong_variable_of_postgresql_does_not_start(
    service: str, tmp_path: Path
) -> None:
    """A wrong variable that adds to the address is a wrong setting: exit code 2, and its name.

    A remark of the driver, here on its file of passwords, is an event of the log.
    """
    (tmp_path / "routes").touch()
    environment = {
        "DATABASE_URL": "postgresql://me@127.0.0.1/x",
        "NATS_URL": f"nats://127.0.0.1:{free_port()}",
        "IMAGEDRIFT_ROUTES": str(tmp_path / "routes"),
        "IMAGEDRIFT_DASHBOARD_PORT": str(free_port()),
        "PGSSLMODE": "x",
        "PGPASSFILE": str(tmp_path),
    }
    refused = ServiceProcess.spawn(service, environment, log=tmp_path / "log")

    assert await refused.ended() == 2
    log = refused.log_text()
    assert "PG variable: `sslmode` parameter must be one of: disable" in log
    assert "Traceback" not in log
    assert "library.warned" in log
    assert "connect_utils.py" not in log


@pytest.mark.parametrize("opened", OPENED)
@pytest.mark.parametrize(("variable", "value"), WRONG)
async def test_a_wrong_variable_is_found_before_anything_connects(
    opened: Callable[[str], AbstractAsyncContextManager[Any]],
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each wrong value is found by the driver alone, without a server."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsFault, match="PG variable"):
        async with opened("postgresql://me@127.0.0.1/x"):
            pass


@pytest.mark.parametrize("option", ["foo=bar", "connect_timeout=1", "ssl=true"])
async def test_an_option_that_the_server_refuses_is_a_database_that_is_away(
    database_dsn: str, option: str
) -> None:
    """An option that only the server knows is told by each service, and tried again."""
    dsn = f"{database_dsn}?{option}"
    async with open_reader(dsn) as reader:
        with pytest.raises(PageFault) as told:
            await reader.answer([fixed("SELECT", TagPeriod)], "")
    assert told.value.status == 503
    async with connection.pool(dsn, connections=1) as pool:
        with pytest.raises(DatabaseUnavailable, match="PG variable"):
            await database_of(pool).transaction(schema_check.check)
    async with open_database(dsn) as notify:
        with pytest.raises(DatabaseUnreachable, match="PG variable"):
            await notify.rows("counts", routes=["ops"])
