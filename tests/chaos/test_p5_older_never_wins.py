"""P5: an older inventory never replaces a newer one, however late it is handled."""

import asyncio
import random
import re
from pathlib import Path

import asyncpg

from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import LocalImage
from support.fleet import System, system
from support.nats_client import jetstream
from support.polling import until

HOSTS = [f"host-{number}" for number in range(8)]
VERSIONS = 40


def image(version: int) -> LocalImage:
    """Return the one image of a host; its size is the number of the report."""
    return LocalImage(
        reference="registry.example.org/app:1", image_id=f"sha256:{version:064x}", size=version
    )


async def test_p5_versions_are_never_seen_to_go_back(tmp_path: Path) -> None:
    """Two replicas store inventories of hosts that change all the time, and no host goes back."""
    async with system(tmp_path, ingests=2, resolvers=0) as running:
        reporting = asyncio.create_task(report_all_versions(running))
        seen = dict.fromkeys(HOSTS, 0)

        async def all_have_arrived() -> bool:
            for host, version in (await versions(running)).items():
                assert version >= seen[host], f"{host} went from {seen[host]} back to {version}"
                seen[host] = version
            return reporting.done() and set(seen.values()) == {VERSIONS}

        await until(all_have_arrived, what="every host shows its last version")
        await reporting


async def test_p5_an_older_inventory_that_was_held_up_is_refused(tmp_path: Path) -> None:
    """A replica that was paused with an inventory leaves the newer, stored one in place."""
    async with system(tmp_path, resolvers=0) as running:
        [sleeper] = running.stack.services
        host = HOSTS[0]
        await report(running, host, 1)
        await until(lambda: shows(running, host, 1), what="the first version is stored")
        handled = await inventories_handled(sleeper)

        blocker = await asyncpg.connect(running.stack.dsn)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE fleet.host_state")
            await report(running, host, 2)
            await until(lambda: is_delivered(running), what="it has the second, and is blocked")
            sleeper.pause()
        await blocker.close()
        await until(lambda: no_replica_fetches(running), what="nothing more is delivered to it")
        await running.stack.start_ingest()
        await report(running, host, 3)
        await until(lambda: shows(running, host, 3), what="the other replica stored the newest")

        sleeper.resume()

        await until(lambda: has_handled(sleeper, handled + 1), what="it has handled the second")
        assert await versions(running) == {host: 3}


async def report(running: System, host: str, version: int) -> None:
    """Report that a host has this version now."""
    await running.hosts.have(host, image(version))


async def report_all_versions(running: System) -> None:
    """Report all versions of every host, each host at its own pace, the same in every run."""
    order = random.Random(5)
    at = dict.fromkeys(HOSTS, 0)
    while left := [host for host in HOSTS if at[host] < VERSIONS]:
        host = order.choice(left)
        at[host] += 1
        await report(running, host, at[host])


async def versions(running: System) -> dict[str, int]:
    """Return the version that each host shows."""
    rows = await running.operator.ask("SELECT host, size FROM ops.comparisons")
    assert len(rows) == len({row["host"] for row in rows})
    return {row["host"]: row["size"] for row in rows}


async def shows(running: System, host: str, version: int) -> bool:
    """Tell whether a host shows that version."""
    return (await versions(running)).get(host) == version


async def is_delivered(running: System) -> bool:
    """Tell whether the newest inventory is delivered to a replica, and not acknowledged."""
    lag = await running.hosts.bus.lag(subjects.STREAM_INVENTORY, subjects.CONSUMER_INGEST)
    return (lag.pending, lag.in_flight) == (0, 1)


async def no_replica_fetches(running: System) -> bool:
    """Tell whether no replica waits for inventories; a stopped one's request has then expired."""
    info = await jetstream(running.hosts.bus).consumer_info(
        subjects.STREAM_INVENTORY, subjects.CONSUMER_INGEST
    )
    return not info.num_waiting


async def inventories_handled(service: ServiceProcess) -> int:
    """Return how many inventories a replica has handled, by its metrics."""
    stream = subjects.STREAM_INVENTORY
    counted = re.findall(
        rf'^imagedrift_\w*handled_total{{[^}}]*stream="{stream}"[^}}]*}} (\S+)$',
        await service.metrics(),
        re.MULTILINE,
    )
    return int(sum(map(float, counted)))


async def has_handled(service: ServiceProcess, count: int) -> bool:
    """Tell whether a replica has handled this many inventories."""
    return await inventories_handled(service) >= count
