"""The good hosts of a benchmark, on real servers."""

from pathlib import Path

import asyncpg

from imagedrift_bench.good_hosts import IMAGES, GoodHosts
from imagedrift_runtime.nats import bus
from imagedrift_sandbox.registry.process import RegistryProcess
from imagedrift_sandbox.stack import Stack, named_registry


async def test_the_delays_of_changes_and_of_new_references_are_measured(tmp_path: Path) -> None:
    """Every host reports at first; then a few change, and each change is seen."""
    tmp_path.chmod(0o755)
    async with (
        RegistryProcess.start() as registry,
        Stack.running(tmp_path, registries_toml=named_registry(registry.host)) as stack,
        bus.connect([stack.nats.url], "test") as nats,
    ):
        connection = await asyncpg.connect(stack.dsn)
        good = GoodHosts(10, registry, nats, connection)
        await good.prepare()
        await stack.start_ingest()
        await stack.start_resolver()
        await good.until_judged()
        assert await connection.fetchval("SELECT count(*) FROM fleet.host_images") == 10 * IMAGES
        await good.run(2)
        await connection.close()
    assert 0 < good.figures["stored_p50_s"] <= good.figures["stored_p99_s"]
    assert 0 < good.figures["judged_p50_s"] <= good.figures["judged_p99_s"]
