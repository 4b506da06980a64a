"""The whole system on one machine: prepared servers, and services that stop before them."""

from pathlib import Path

import asyncpg

from imagedrift_runtime.registries import operator_file
from imagedrift_sandbox.stack import Stack, named_registry


async def test_services_run_on_prepared_servers_and_leave_their_logs(tmp_path: Path) -> None:
    """Schema and streams are there before the first service; each stops when asked."""
    toml = named_registry("127.0.0.1:5000")
    async with Stack.running(tmp_path, registries_toml=toml, freshness_s=60) as stack:
        connection = await asyncpg.connect(stack.dsn)
        assert await connection.fetchval("SELECT hosts FROM ops.fleet_summary") == 0
        await connection.close()
        await stack.start_ingest()
        await stack.start_resolver()
        assert stack.registries_file.read_text() == toml
        assert await stack.stop_services() == [0, 0]
        assert stack.services == []
    assert {path.name for path in tmp_path.glob("*.log")} >= {
        "imagedrift-ingest-1.log",
        "imagedrift-resolver-1.log",
    }


def test_a_named_registry_may_be_asked_in_plain_http() -> None:
    """Further tables are added as they are."""
    known = operator_file.parse(named_registry("a:1", extra=['[registry."b:2"]']))

    assert known.is_named("a:1")
    assert known.is_named("b:2")
    assert not known.is_named("c:3")
