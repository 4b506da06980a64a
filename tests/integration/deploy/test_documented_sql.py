"""Every SQL statement of dashboards and pages runs on a database with data."""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import migrations
from imagedrift_ingest.commands import maintain
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import find_binaries
from support.deploy import DEPLOY, ROOT, read_yaml
from support.ingest import answer, fleet, image, ingest
from support.operator import Operator
from support.polling import until

DASHBOARDS = [DEPLOY / "grafana" / "dashboards" / f"{name}.json" for name in ("fleet", "services")]


def statements(page: Path) -> list[str]:
    """Every statement in the ```sql blocks of a page."""
    blocks = re.findall(r"^```sql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    found = [each.strip() for block in blocks for each in block.split(";") if each.strip()]
    assert found, f"{page} has no SQL"
    return found


def panels() -> Iterator[Any]:
    """Every panel that asks PostgreSQL, with its SQL and how the answer is drawn."""
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                if "rawSql" in target:
                    yield pytest.param(target["rawSql"], target["format"], id=panel["title"])


def variables() -> Iterator[Any]:
    """Every variable of a dashboard that is asked of PostgreSQL."""
    for file in DASHBOARDS:
        for variable in json.loads(file.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                yield pytest.param(variable["query"], id=variable["name"])


def expanded(sql: str) -> str:
    """Write out Grafana's macros and variables as it would for the last week and one site."""
    sql = re.sub(
        r"\$__timeFilter\((\w+)\)",
        r"\1 BETWEEN now() - interval '7 days' AND now() + interval '1 hour'",
        sql,
    )
    return sql.replace("$site", "'fra1'").replace("$level", "2")


@pytest.fixture
async def reader(told_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection with no more rights than an operator's."""
    connection = await asyncpg.connect(told_dsn)
    await connection.execute("SET ROLE imagedrift_operator")
    yield connection
    await connection.close()


@pytest.mark.parametrize(("sql", "drawn"), list(panels()))
async def test_a_panel_s_query_answers(reader: asyncpg.Connection, sql: str, drawn: str) -> None:
    """Each panel's query returns rows that Grafana can draw, with an operator's rights."""
    ready = expanded(sql)
    assert "$" not in ready
    rows = await reader.fetch(ready)
    assert rows
    if drawn == "time_series":
        assert rows[0]["time"].tzinfo
        assert {type(value) for value in [*rows[0].values()][1:]} == {int}
    for name, value in rows[0].items():
        assert type(value).__name__ != "timedelta", f"{name}: Grafana draws no interval"


@pytest.mark.parametrize("sql", list(variables()))
async def test_a_variable_of_a_dashboard_has_values(reader: asyncpg.Connection, sql: str) -> None:
    """Each variable of a dashboard has at least one value."""
    assert await reader.fetch(sql)


def test_a_column_with_a_unit_is_one_of_its_panel() -> None:
    """A column with settings of its own is in its panel's query."""
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for override in panel["fieldConfig"]["overrides"]:
                name = override["matcher"]["options"]
                assert re.search(rf"\b{name}\b", panel["targets"][0]["rawSql"]), panel["title"]


@pytest.mark.parametrize("sql", statements(ROOT / "docs" / "operators.md"))
async def test_a_question_in_the_operators_page_answers(
    reader: asyncpg.Connection, sql: str
) -> None:
    """Each query of the operators' page returns rows, with an operator's or a decider's rights."""
    if "ops.decide(" in sql:
        await reader.execute("SET ROLE imagedrift_decider")
    assert await reader.fetch(sql)


async def test_the_documented_logins_can_do_their_work_and_no_more(
    postgres_server: PostgresServer, database_dsn: str
) -> None:
    """The writer's login is enough for ingest, and the reader's reads views alone."""
    await migrations.migrate(database_dsn)
    owner = await asyncpg.connect(database_dsn)
    try:
        for sql in statements(ROOT / "docs" / "deployment.md"):
            await owner.execute(sql)
        await migrations.migrate(database_dsn)
        for login in ("ingest", "alice"):
            await owner.execute(f"ALTER ROLE {login} PASSWORD 'secret'")
        writer, reader = (_as(database_dsn, login) for login in ("ingest", "alice"))
        with NatsServer.start_sync() as nats:
            async with fleet(nats.url) as agents, ingest(writer, nats.url):
                await agents.has("web-1", image(version=1))
                await agents.answers(answer(version=2))
                told = Operator(reader)
                await until(lambda: told.ask("SELECT FROM outdated"), what="a verdict")
        await maintain(writer)
        for refused in ("SELECT * FROM fleet.hosts", "DELETE FROM ops.trend", "CREATE TABLE t ()"):
            with pytest.raises(asyncpg.PostgresError):
                await Operator(reader).ask(refused)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await Operator(writer).ask("DROP TABLE fleet.trend")
    finally:
        await owner.execute("DROP OWNED BY ingest, alice; DROP ROLE ingest, alice")
        await owner.close()


async def test_the_compose_file_s_logins_write_and_read(
    postgres_server: PostgresServer, database_dsn: str
) -> None:
    """logins.sql makes the logins of ingest, operators and notifier, and can be run again."""
    service = read_yaml(ROOT / "docker-compose.yml")["services"]["logins"]
    file = DEPLOY / "postgres" / "logins.sql"
    try:
        for password in ("first", "it's the second"):
            names = [f"{login}_DATABASE_PASSWORD" for login in ("INGEST", "OPERATOR", "NOTIFIER")]
            _psql(database_dsn, service, file, dict.fromkeys(names, password))
            await migrations.migrate(database_dsn)
        await maintain(_as(database_dsn, "ingest", quote("it's the second")))
        reader = Operator(_as(database_dsn, "operator", quote("it's the second")))
        assert await reader.ask("SELECT hosts FROM fleet_summary")
        assert await reader.ask("SHOW statement_timeout") == [{"statement_timeout": "30s"}]
        for refused in ("SELECT * FROM fleet.hosts", "CREATE TEMP TABLE t ()"):
            with pytest.raises(asyncpg.PostgresError):
                await reader.ask(refused)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await Operator(_as(database_dsn, "ingest", quote("it's the second"))).ask(
                "ALTER TABLE fleet.hosts ADD COLUMN mine text"
            )
        notifier = Operator(_as(database_dsn, "notifier", quote("it's the second")))
        assert await notifier.ask(
            "INSERT INTO notify.routes (route) VALUES ('ops') RETURNING route"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await notifier.ask("DELETE FROM fleet.hosts")
    finally:
        await Operator(database_dsn).ask("DROP ROLE IF EXISTS ingest, operator, notifier")


async def test_grafana_s_login_reads_the_views(
    postgres_server: PostgresServer, database_dsn: str
) -> None:
    """reader.sql makes a login that reads views alone, and can be run again."""
    service = read_yaml(DEPLOY / "docker-compose.dashboards.yml")["services"]["reader"]
    file = DEPLOY / "grafana" / "reader.sql"
    try:
        for password in ("first", "it's the second"):
            _psql(database_dsn, service, file, {"GRAFANA_DATABASE_PASSWORD": password})
            await migrations.migrate(database_dsn)
        dsn = _as(database_dsn, "grafana", quote("it's the second"))
        reader = Operator(dsn)
        assert await reader.ask("SELECT hosts FROM fleet_summary")
        assert await reader.ask("SHOW statement_timeout") == [{"statement_timeout": "30s"}]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.ask("SELECT * FROM fleet.hosts")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await Operator(_as(database_dsn, "grafana", "first")).ask("SELECT 1")
    finally:
        await Operator(database_dsn).ask("DROP ROLE IF EXISTS grafana")


def _psql(dsn: str, service: dict[str, Any], file: Path, passwords: dict[str, str]) -> None:
    """Run a file of logins as the Compose file does."""
    program, *words, last = service["command"]
    assert last == f"--file=/{file.name}"
    assert {*passwords, "PGHOST", "PGDATABASE", "PGUSER", "PGPASSWORD"} == {*service["environment"]}
    told = subprocess.run(
        [str(find_binaries(None) / program), *words, f"--file={file}"],
        env=passwords | _where(dsn),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr


def _where(dsn: str) -> dict[str, str]:
    where = urlsplit(dsn)
    return {
        "PGHOST": str(where.hostname),
        "PGPORT": str(where.port),
        "PGDATABASE": where.path[1:],
        "PGUSER": str(where.username),
        "PGPASSWORD": str(where.password),
    }


def _as(dsn: str, login: str, password: str = "secret") -> str:
    return re.sub(r"//[^@/]*@", f"//{login}:{password}@", dsn)
