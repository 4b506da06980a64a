"""`imagedrift bench bad-host`: what one bad host costs a thousand good ones.

The good hosts live: heartbeats, changed images, and new references on a registry that answers. How
long each change takes until it is stored, and each new reference until it is judged, is measured
first alone and then beside one host that publishes one kind of nuisance as fast as the server takes
it (`attacks`). What the attack leaves behind is measured too: memory of the services, and what
PostgreSQL and NATS keep.
"""

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Final

import asyncpg
import click

from imagedrift_bench import report
from imagedrift_bench.attacks import ATTACKS
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.child_process import Child
from imagedrift_sandbox.registry.control import Image
from imagedrift_sandbox.registry.process import RegistryProcess
from imagedrift_sandbox.stack import Stack, named_registry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, Inventory, LocalImage

SITE: Final = "bench"
HANGING: Final = 80
IMAGES: Final = 20
CHANGES_PER_S: Final = 5
NEW_PER_S: Final = 1
HEARTBEAT_EVERY_S: Final = 30
POLL_S: Final = 0.05
WITHIN_S: Final = 60.0
LATER_S: Final = 1.0
"""How much later the slowest good change may be seen than without the bad host."""
MOST_RSS_MB: Final = 400
MOST_DISK_MB: Final = 600
STORED: Final = "SELECT host, seq FROM fleet.hosts JOIN fleet.host_state USING (host_id)"
JUDGED: Final = """\
SELECT reference FROM ops.comparisons WHERE reference = ANY($1) AND verdict = 'current'"""


ROWS: Final = """\
SELECT
  (SELECT count(*) FROM fleet.image_refs) AS image_refs,
  (SELECT count(*) FROM fleet.comparisons) AS comparisons,
  (SELECT count(*) FROM fleet.dead_letters) AS dead_letters,
  (SELECT count(*) FROM fleet.registry_states) AS registry_states"""


@click.command("bad-host")
@report.count("--hosts", 1000, "Good hosts, ten at the least.")
@report.count("--seconds", 300, "How long each attack lasts.")
@click.option(
    "--attack", "chosen", multiple=True, type=click.Choice(list(ATTACKS)), help="Only it."
)
@report.as_json
def command(hosts: int, seconds: int, chosen: tuple[str, ...], as_json: bool) -> None:
    """One bad host beside good ones: what it costs them, and what it leaves behind."""
    figures: dict[str, float | int | str] = {"hosts": hosts, "seconds": seconds}
    failed: list[str] = []
    alone = asyncio.run(_measure("", hosts, min(seconds, 60)))
    figures |= {f"alone_{name}": value for name, value in alone.items()}
    for attack in chosen or ATTACKS:
        beside = asyncio.run(_measure(attack, hosts, seconds))
        figures |= {f"{attack}_{name}": value for name, value in beside.items()}
        failed += [f"{attack}: {words}" for words in _complaints(alone, beside)]
    report.finish("bad-host", figures, as_json=as_json, failed_checks=failed)


def _complaints(alone: dict[str, float], beside: dict[str, float]) -> Iterator[str]:
    for name in ("stored_p99_s", "judged_p99_s"):
        if beside[name] > alone[name] + LATER_S:
            yield f"{name} is {beside[name]}, and {alone[name]} without it"
    for name in ("ingest_rss_mb", "resolver_rss_mb"):
        if beside[name] > MOST_RSS_MB:
            yield f"{name} is {beside[name]}"
    for name in ("postgres_mb", "nats_mb"):
        if beside[name] > alone[name] + MOST_DISK_MB:
            yield f"{name} is {beside[name]}, and {alone[name]} without it"


async def _measure(attack: str, hosts: int, seconds: int) -> dict[str, float]:
    """Run a fleet, with one attack or none; what was seen."""
    report.progress.print(f"{attack or 'alone'}: {seconds} s")
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as name:
        home = Path(name)
        home.chmod(0o755)
        async with (
            _hanging(HANGING) as silent,
            RegistryProcess.start() as registry,
            Stack.running(
                home,
                registries_toml=named_registry(registry.host, *silent),
                durable=True,
                postgres_settings={"max_wal_size": "1GB"},
            ) as stack,
            bus.connect([stack.nats.url], "imagedrift-bench") as nats,
        ):
            connection = await asyncpg.connect(stack.dsn)
            good = _Good(hosts, registry, nats, connection)
            await good.prepare()
            ingest, resolver = await stack.start_ingest(), await stack.start_resolver()
            await good.settled()
            bad = _attacker(attack, home, stack.nats.url, registry.host, *silent)
            try:
                await good.live(seconds)
                if bad.exit_code is not None:
                    raise click.ClickException(f"the bad host ended: {bad.log_tail()}")
            finally:
                bad.stop()
            figures = good.figures
            figures["ingest_rss_mb"] = _rss_mb(ingest.pid)
            figures["resolver_rss_mb"] = _rss_mb(resolver.pid)
            size = await connection.fetchval("SELECT pg_database_size(current_database())")
            figures["postgres_mb"] = round(size / 1e6, 1)
            figures["nats_mb"] = round(_disk(home / "nats") / 1e6, 1)
            [rows] = await connection.fetch(ROWS)
            figures |= dict(rows)
            await connection.close()
            return figures


class _Good:
    """The good hosts: what they say, and when it is seen."""

    def __init__(
        self, hosts: int, registry: RegistryProcess, nats: Bus, database: asyncpg.Connection
    ) -> None:
        self._names = [f"good-{number:04d}" for number in range(hosts)]
        self._registry = registry
        self._nats = nats
        self._database = database
        self._images: list[LocalImage] = []
        self._waiting: dict[str, tuple[int, float]] = {}
        self._unjudged: dict[str, float] = {}
        self._stored: list[float] = []
        self._judged: list[float] = []
        self.figures: dict[str, float] = {}

    async def prepare(self) -> None:
        """Push what they have, and let each say so."""
        self._images = await self._push([f"app/{number}" for number in range(100)])
        for number in range(len(self._names)):
            await self._say(number, self._has(number))

    async def settled(self) -> None:
        """Wait until all is stored and every reference is judged."""
        self._unjudged = {image.reference: time.monotonic() for image in self._images}
        await self._until_seen()
        self._stored, self._judged = [], []

    async def live(self, seconds: int) -> None:
        """Live for so long, and wait until the last change is seen."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for work in (self._beat, self._change, self._renew, self._watch):
                tasks.create_task(work(over))
            await asyncio.sleep(seconds)
            over.set()
        await self._until_seen()
        self._tell("stored", self._stored)
        self._tell("judged", self._judged)

    async def _beat(self, over: asyncio.Event) -> None:
        for number in itertools.cycle(range(len(self._names))):
            if over.is_set():
                return
            alive = Alive(site=SITE, host=self._names[number], content=f"sha256:{0:064x}", at=now())
            subject = subjects.alive(SITE, self._names[number])
            await self._nats.client.publish(subject, codec.encode(alive))
            await asyncio.sleep(HEARTBEAT_EVERY_S / len(self._names))

    async def _change(self, over: asyncio.Event) -> None:
        for turn in itertools.count(1):
            if over.is_set():
                return
            number = turn % (len(self._names) * 9 // 10)
            if self._names[number] not in self._waiting:
                await self._say(number, self._has(number, running=turn))
            await asyncio.sleep(1 / CHANGES_PER_S)

    async def _renew(self, over: asyncio.Event) -> None:
        for turn in itertools.count():
            if over.is_set():
                return
            number = -1 - turn % (len(self._names) // 10)  # a change would take its news away
            [new] = await self._push([f"new/{turn}"])
            self._unjudged[new.reference] = time.monotonic()
            await self._say(number, (*self._has(number, running=turn), new))
            await asyncio.sleep(1 / NEW_PER_S)

    async def _watch(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self._look()
            await asyncio.sleep(POLL_S)

    async def _until_seen(self) -> None:
        deadline = time.monotonic() + WITHIN_S
        while self._waiting or self._unjudged:
            if time.monotonic() > deadline:
                self._stored += [WITHIN_S for _ in self._waiting]
                self._judged += [WITHIN_S for _ in self._unjudged]
                return
            await self._look()
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        hosts, references = list(self._waiting), list(self._unjudged)
        stored = await self._database.fetch(f"{STORED} WHERE host = ANY($1)", hosts)
        judged = await self._database.fetch(JUDGED, references)
        at = time.monotonic()
        for row in stored:
            seq, since = self._waiting[row["host"]]
            if row["seq"] >= seq:
                self._stored.append(at - since)
                del self._waiting[row["host"]]
        for reference in {row["reference"] for row in judged}:
            self._judged.append(at - self._unjudged.pop(reference))

    async def _say(self, number: int, images: tuple[LocalImage, ...]) -> None:
        host = self._names[number]
        content = codec.content_hash(images)
        said = Inventory(site=SITE, host=host, taken_at=now(), content=content, images=images)
        began = time.monotonic()
        stored = await self._nats.publish(subjects.inventory(SITE, host), codec.encode(said))
        self._waiting[host] = (getattr(stored, "seq", 0), began)

    def _has(self, number: int, running: int = 1) -> tuple[LocalImage, ...]:
        """Give what a host has; `running` makes it a change."""
        first = number % (len(self._images) - IMAGES + 1)
        head, *rest = self._images[first : first + IMAGES]
        changed = LocalImage(
            reference=head.reference,
            image_id=head.image_id,
            repo_digests=head.repo_digests,
            containers=("app",),
            running=1 + running % 1000,
        )
        return (changed, *rest)

    async def _push(self, repositories: Sequence[str]) -> list[LocalImage]:
        pushed = await self._registry.push(
            [Image(repository=name, tag="1", seed=1) for name in repositories]
        )
        return [
            LocalImage(
                reference=f"{self._registry.host}/{name}:1",
                image_id=next(iter(each.configs.values())),
                repo_digests=(each.digest,),
            )
            for name, each in zip(repositories, pushed, strict=True)
        ]

    def _tell(self, name: str, took_s: Sequence[float]) -> None:
        cuts = quantiles(took_s, n=100, method="inclusive") if len(took_s) > 1 else [0.0] * 99
        self.figures[f"{name}_p50_s"] = round(cuts[49], 3)
        self.figures[f"{name}_p99_s"] = round(cuts[98], 3)


def _attacker(attack: str, home: Path, nats_url: str, *registries: str) -> Child:
    """Start the bad host as a process of its own; without an attack it does nothing."""
    program = [sys.executable, "-m", "imagedrift_bench.attacks", nats_url, attack, *registries]
    return Child.spawn(program if attack else ["sleep", "inf"], log=home / "bad-host.log")


@asynccontextmanager
async def _hanging(count: int) -> AsyncIterator[tuple[str, ...]]:
    """Listen on so many ports, and never say a word."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    servers = [await asyncio.start_server(hang, "127.0.0.1", 0) for _ in range(count)]
    try:
        yield tuple(f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
    finally:
        for server in servers:
            server.close()


def _rss_mb(pid: int) -> float:
    """Read the most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) / 1024, 1)


def _disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
