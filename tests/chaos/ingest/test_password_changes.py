"""The password of the database changes under a running ingest."""

from pathlib import Path

import asyncpg
import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.processes import ServiceProcess
from support.ingest import NGINX, Fleet, Operator, image
from support.postgres import NEWEST

pytestmark = pytest.mark.parametrize("model", [NEWEST], indirect=True)


async def test_a_new_password_is_read_from_its_file(
    postgres: PostgresServer,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    tmp_path: Path,
) -> None:
    """A new password is read from its file when connections are made again."""
    secret = tmp_path / "database-url"

    def url(password: str) -> str:
        return f"postgresql://ingest:{password}@127.0.0.1:{postgres.port}/imagedrift"

    owner = await asyncpg.connect(postgres.dsn())
    try:
        await owner.execute("CREATE ROLE ingest LOGIN PASSWORD 'old' IN ROLE imagedrift_writer")
        secret.write_text(url("old"))
        environment = {"DATABASE_URL_FILE": str(secret), "NATS_URL": fresh_nats.url}
        log = tmp_path / "ingest.log"
        async with ServiceProcess.start("imagedrift-ingest", environment, log=log):
            await agents.has("h1", image())
            await operator.sees(NGINX, host="h1")
            secret.write_text(url("new"))
            await owner.execute("ALTER ROLE ingest PASSWORD 'new'")
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ingest'"
            )
            await agents.has("h2", image())
            await operator.sees(NGINX, host="h2")
    finally:
        await owner.close()
