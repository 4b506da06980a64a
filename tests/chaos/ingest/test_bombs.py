"""Messages that grow to many times their size: a process has the memory of one of them."""

import re
from pathlib import Path

import asyncpg

from imagedrift_runtime.nats import bus
from imagedrift_sandbox.stack import Stack
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import compressed, is_allowed
from support.ingest import digest, image, inventory
from support.polling import until

HOSTS = 12
MIB = 1024 * 1024
MOST_RSS_MIB = 200
"""60 of them are there before; a bomb is 26, and twice as much while it is decompressed."""


def bomb(host: str) -> bytes:
    """An inventory of 26 MB, in as few bytes as may grow to that."""
    noise = "".join(digest((host, number)) for number in range(22_000))
    told = codec.encode(inventory(host, [image()], degraded=noise)) + b" " * (25 * MIB)
    payload = compressed(told)
    assert is_allowed(told, payload)
    return payload


async def test_bombs_of_many_hosts_take_the_memory_of_one(tmp_path: Path) -> None:
    """Ingest stores bombs of many hosts, and never has more of them in memory than one."""
    tmp_path.chmod(0o755)
    async with (
        Stack.running(tmp_path) as stack,
        bus.connect([stack.nats.url], "hosts") as nats,
    ):
        for number in range(HOSTS):
            host = f"web-{number}"
            await nats.publish(subjects.inventory("fra1", host), bomb(host))
        ingest = await stack.start_ingest()
        reader = await asyncpg.connect(stack.dsn)
        sql = "SELECT count(*) = $1 FROM ops.hosts WHERE images = 1"
        await until(lambda: reader.fetchval(sql, HOSTS), what="all are stored", within_s=90)
        most = most_rss_mib(ingest.pid)
        await reader.close()

    assert most < MOST_RSS_MIB


def most_rss_mib(pid: int) -> float:
    """Return the most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024
