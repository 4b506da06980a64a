"""`imagedrift bench bad-host`: what one bad host costs a thousand good ones.

The good hosts (`good_hosts`) send heartbeats, changed images, and new references of a registry that
answers. Measured is the time until a change is stored, and until a new reference has its verdict:
first without a bad host, then beside one. It publishes one kind of harmful message as fast as the
server accepts it (`attacks`). The memory of the services and the disk of PostgreSQL and NATS are
measured as well.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import asyncpg
import click
import msgspec

from imagedrift_bench import report
from imagedrift_bench.attacks import ATTACKS, Surroundings, digest
from imagedrift_bench.good_hosts import GoodHosts
from imagedrift_runtime.nats import bus
from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.registry.process import RegistryProcess
from imagedrift_sandbox.stack import Stack, named_registry

HANGING: Final = 80
SLOW: Final = 8
SLOW_S: Final = 0.9
LATER_S: Final = 1.0
"""How much later 99 of 100 good changes may be seen than without the bad host."""
MOST_RSS_MB: Final = 400
MOST_DISK_MB: Final = 600
ROWS: Final = """\
SELECT
  (SELECT count(*) FROM fleet.image_refs) AS image_refs,
  (SELECT count(*) FROM fleet.comparisons) AS comparisons,
  (SELECT count(*) FROM fleet.dead_letters) AS dead_letters,
  (SELECT count(*) FROM fleet.registry_states) AS registry_states"""


@click.command("bad-host")
@report.count("--hosts", 1000, "Good hosts.", least=10)
@report.count("--seconds", 300, "How long each attack lasts.")
@click.option(
    "--attack", "chosen", multiple=True, type=click.Choice(list(ATTACKS)), help="Only it."
)
@report.as_json
def command(hosts: int, seconds: int, chosen: tuple[str, ...], as_json: bool) -> None:
    """One bad host beside good ones: what it costs them, and what it leaves behind.

    Runs a minute without it, then each attack. Exits with 1 where the delays of good hosts (p99)
    grow by more than a second, a service takes more than 400 MB, or a disk 600 MB more.
    """
    figures: dict[str, float | int | str] = {"hosts": hosts, "seconds": seconds}
    failed: list[str] = []
    alone = asyncio.run(_measure("", hosts, min(seconds, 60)))
    figures |= {f"alone_{name}": value for name, value in alone.items()}
    for attack in chosen or ATTACKS:
        beside = asyncio.run(_measure(attack, hosts, seconds))
        figures |= {f"{attack}_{name}": value for name, value in beside.items()}
        failed += [f"{attack}: {words}" for words in complaints(alone, beside)]
    report.finish("bad-host", figures, as_json=as_json, failed_checks=failed)


def complaints(alone: Mapping[str, float], beside: Mapping[str, float]) -> list[str]:
    """Return what a bad host costs beyond the bounds, and what was not measured."""
    delays = ("stored_p99_s", "judged_p99_s")
    unmeasured = [name for name in delays if not (alone[name] and beside[name])]
    most = {name: alone[name] + LATER_S for name in delays}
    most |= dict.fromkeys(("ingest_rss_mb", "resolver_rss_mb"), MOST_RSS_MB)
    most |= {name: alone[name] + MOST_DISK_MB for name in ("postgres_mb", "nats_mb")}
    return [f"{name} was not measured" for name in unmeasured] + [
        f"{name} is {beside[name]}, and {alone[name]} without it"
        for name, bound in most.items()
        if beside[name] > bound and name not in unmeasured
    ]


async def _measure(attack: str, hosts: int, seconds: int) -> dict[str, float]:
    """Run a fleet, with one attack or none, and return the figures."""
    told = f"{attack}, {seconds} s: {ATTACKS[attack].__doc__}" if attack else f"alone, {seconds} s"
    report.progress.print(told)
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as name:
        home = Path(name)
        home.chmod(0o755)
        async with (
            _listening(HANGING, _hang) as hanging,
            _listening(SLOW, _answer_late) as slow,
            RegistryProcess.start() as registry,
            Stack.running(
                home,
                registries_toml=named_registry(registry.host, *hanging, *slow),
                durable=True,
                postgres_settings={"max_wal_size": "1GB"},
            ) as stack,
            bus.connect([stack.nats.url], "imagedrift-bench") as nats,
        ):
            connection = await asyncpg.connect(stack.dsn)
            good = GoodHosts(hosts, registry, nats, connection)
            await good.prepare()
            ingest, resolver = await stack.start_ingest(), await stack.start_resolver()
            await good.until_judged()
            around = Surroundings(healthy=registry.host, hanging=hanging, slow=slow)
            bad = _attacker(attack, home, stack.nats.url, around)
            await _run_beside(bad, good, seconds)
            memory = {
                "ingest_rss_mb": _rss_mb(ingest.pid),
                "resolver_rss_mb": _rss_mb(resolver.pid),
            }
            left = await _left_behind(connection, home / "nats")
            await connection.close()
            return good.figures | memory | left


async def _left_behind(connection: asyncpg.Connection, nats_home: Path) -> dict[str, float]:
    """Return the bytes on the disks and the rows of the database, after all."""
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    [rows] = await connection.fetch(ROWS)
    disks = {
        "postgres_mb": round(size / 1e6, 1),
        "nats_mb": round(_disk(nats_home) / 1e6, 1),
    }
    return disks | dict(rows)


def _attacker(attack: str, home: Path, nats_url: str, around: Surroundings) -> ChildProcess:
    """Start the bad host as a process of its own; without an attack it does nothing."""
    told = msgspec.json.encode(around).decode()
    program = [sys.executable, "-m", "imagedrift_bench.attacks", nats_url, attack, told]
    return ChildProcess.spawn(program if attack else ["sleep", "inf"], log=home / "bad-host.log")


async def _run_beside(bad: ChildProcess, good: GoodHosts, seconds: int) -> None:
    """Run the good hosts while the bad one works, and stop it in any case."""
    try:
        await good.run(seconds)
        if bad.exit_code is not None:
            raise click.ClickException(f"the bad host ended: {bad.log_tail()}")
    finally:
        bad.stop()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _listening(count: int, serve: Serve) -> AsyncIterator[tuple[str, ...]]:
    """Listen on so many ports."""
    servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for _ in range(count)]
    try:
        yield tuple(f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
    finally:
        for server in servers:
            server.close()


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never say a word."""
    await reader.read()
    writer.close()


async def _answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request after a while, with the digest of an index that is never sent."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\n"
    answer = f"{head}Docker-Content-Digest: {digest('slow')}\r\nContent-Length: 0\r\n\r\n"
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(SLOW_S)
            writer.write(answer.encode())
            await writer.drain()
    writer.close()


def _rss_mb(pid: int) -> float:
    """Return the most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) / 1024, 1)


def _disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
