"""Behind pgbouncer in transaction mode."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import unprivileged_account
from imagedrift_schemas import subjects
from support.ingest import NGINX, Fleet, Operator, answer, image, ingest
from support.nats_client import jetstream
from support.polling import until
from support.programs import require_program

CONFIG = """
[databases]
imagedrift = host=127.0.0.1 port={port} dbname=imagedrift user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = {ignored}
"""
IGNORED = "statement_timeout,lock_timeout,idle_in_transaction_session_timeout,jit,plan_cache_mode"


@pytest.fixture
async def pooled_dsn(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[str]:
    """The database through a pooler that gives each transaction another connection."""
    program = require_program("pgbouncer", "apt-get install pgbouncer")
    to, own = urlsplit(postgres.dsn()), free_port()
    config = Path(str(postgres.home)) / "pgbouncer.ini"
    login = {"user": to.username, "password": to.password}
    config.write_text(CONFIG.format(port=to.port, own=own, ignored=IGNORED, **login))
    config.chmod(0o644)
    log = tmp_path / "pgbouncer.log"
    pooler = ChildProcess.spawn([program, config], log=log, account=unprivileged_account())
    try:
        yield f"postgresql://{to.username}@127.0.0.1:{own}/imagedrift"
    finally:
        await asyncio.to_thread(pooler.stop)


async def test_ingest_works_through_a_pooler_without_prepared_statements(
    pooled_dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """Ingest works through a transaction pooler without prepared statements."""
    async with ingest(pooled_dsn, fresh_nats.url, statement_cache=0) as run:
        for number in range(20):
            await agents.has(f"h{number}", image(version=number % 3))
        await operator.sees(NGINX, host="h19")
        # First the question: what is answered already is not asked.
        await until(lambda: agents.asked(NGINX), what="the question")
        await agents.answers(answer(version=2))
        await operator.sees(NGINX, host="h18", verdict="outdated")
        await operator.sees(NGINX, host="h17", verdict="current")
        await until(lambda: announced(agents), what="the changes are told")
        assert run.health.is_ready


async def announced(agents: Fleet) -> int:
    """How many changes are in the feed."""
    feed = await jetstream(agents.bus).stream_info(subjects.STREAM_CHANGED)
    return int(feed.state.messages)
