"""`imagedrift bench agent`: the cost of an agent to its host, and its delay in reporting.

The engine is a scripted one, on a socket, so that the figures are the agent's and not an engine's;
NATS is real. The agent is a process with the settings of an installation, without metrics. The
figure of a start is the least of several, that of an event the median.

The cost of an idle hour is a sum. One agent's processor time is measured while nothing happens. To
it come twelve rounds, one every five minutes: a full read and a heartbeat. A second agent, whose
rounds follow each other quickly, gives the cost of one.
"""

import asyncio
import re
import tempfile
import time
from pathlib import Path
from statistics import median

import click

from imagedrift_bench import report
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.engine import ScriptedEngine, populate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.processes import BASE_ENVIRONMENT, console_script
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Inventory

WITHIN_S = 30.0
STARTS = 5
EVENTS = 7
ROUND_S = 1
ROUNDS_PER_HOUR = 12
LIMITS = {
    "rss_mb": 46.0,
    "cpu_seconds_per_hour": 5.0,
    "first_inventory_ms": 500.0,
    "event_to_inventory_ms": 1000.0,
}


@click.command("agent")
@report.count("--images", 200)
@report.count("--containers", 50)
@report.count("--idle", 20, "Seconds to watch an idle agent.")
@report.as_json
def command(images: int, containers: int, idle: int, as_json: bool) -> None:
    """A connected agent on a busy host: memory, processor time, and delays."""
    with tempfile.TemporaryDirectory(prefix="idrift-") as home:
        figures, failed = asyncio.run(_measure(Path(home), images, containers, idle))
    report.finish("agent", figures, as_json=as_json, failed_checks=failed)


async def _measure(
    home: Path, images: int, containers: int, idle: int
) -> tuple[dict[str, float | int], list[str]]:
    async with (
        ScriptedEngine.serving(home / "engine.sock") as engine,
        NatsServer.start() as nats,
        bus.connect([nats.url], "imagedrift-bench") as connection,
    ):
        await provision.ensure(connection)
        populate(engine, images, containers)
        run = _Run(home, engine, nats, connection)
        await run.listen()
        try:
            figures = await run.figures(images, containers, idle)
        finally:
            run.stop()
    _warn_of_excess(figures)
    return figures, run.failed


def _warn_of_excess(figures: dict[str, float | int]) -> None:
    """Warn of each figure over its promised limit, as a busy machine may cause."""
    for name, limit in LIMITS.items():
        if figures[name] > limit:
            report.progress.print(
                f"[yellow]{name} is {figures[name]}, promised is {limit:g}[/yellow]"
            )


class _Run:
    """The agents of one run, and their messages."""

    def __init__(
        self, home: Path, engine: ScriptedEngine, nats: NatsServer, connection: Bus
    ) -> None:
        self.failed: list[str] = []
        self._home = home
        self._engine = engine
        self._nats = nats
        self._connection = connection
        self._inventories: asyncio.Queue[Inventory] = asyncio.Queue()
        self._heartbeats = 0
        self._agents: list[ChildProcess] = []

    async def listen(self) -> None:
        """Receive the agents' messages."""

        async def inventory(_: str, payload: bytes) -> None:
            await self._inventories.put(codec.decode(payload, Inventory))

        async def alive(subject: str, _: bytes) -> None:
            self._heartbeats += subject.endswith(".quick")

        await self._connection.listen(subjects.INVENTORY_ALL, inventory)
        await self._connection.listen(subjects.ALIVE_ALL, alive)

    async def figures(self, images: int, containers: int, idle: int) -> dict[str, float | int]:
        """Measure all figures, in the order of an agent's life."""
        report.progress.print(f"{STARTS} starts")
        starts = [await self._start_s(f"start-{n}", images) for n in range(STARTS)]
        agent = self._agents[-1]
        report.progress.print(f"{EVENTS} events")
        events = [await self._event_s(images + n + 1, containers) for n in range(EVENTS)]
        report.progress.print(f"{idle} s of nothing")
        per_hour = await self._cpu_s_per_hour(agent, idle)
        return {
            "images": images,
            "containers": containers,
            "rss_mb": round(_memory_mb(agent.pid, "VmRSS"), 1),
            "peak_rss_mb": round(_memory_mb(agent.pid, "VmHWM"), 1),
            "cpu_seconds_per_hour": round(per_hour, 2),
            "first_inventory_ms": round(min(first for first, _ in starts) * 1000, 1),
            "process_start_to_inventory_ms": round(min(whole for _, whole in starts) * 1000, 1),
            "event_to_inventory_ms": round(median(events) * 1000, 1),
        }

    async def _start_s(self, host: str, images: int) -> tuple[float, float]:
        """Restart the agent, and return the seconds until its inventory arrives.

        Two figures: from its first request to the engine, and from the start of its process.
        """
        self.stop()
        self._engine.forget_asked()
        began = time.perf_counter()
        self._spawn(host, interval_s=300)
        whole = await self._heard_s(began, images)
        asked_at = self._engine.first_asked_at or began
        return whole - (asked_at - began), whole

    async def _event_s(self, images: int, containers: int) -> float:
        """Add an image to the engine, and return the seconds until its inventory arrives."""
        populate(self._engine, images, containers)
        began = time.perf_counter()
        self._engine.emit("image", "pull")
        return await self._heard_s(began, images)

    async def _heard_s(self, began: float, images: int) -> float:
        async with asyncio.timeout(WITHIN_S):
            inventory = await self._inventories.get()
        took = time.perf_counter() - began
        if len(inventory.images) != images:
            self.failed.append(f"{len(inventory.images)} images were told of {images}")
        return took

    async def _cpu_s_per_hour(self, agent: ChildProcess, idle: int) -> float:
        quick = self._spawn("quick", interval_s=ROUND_S)
        await self._inventories.get()
        cpu_before = [_cpu_s(child.pid) for child in (agent, quick)]
        heartbeats_before = self._heartbeats
        await asyncio.sleep(idle)
        idle_s, quick_s = (
            _cpu_s(child.pid) - before
            for child, before in zip((agent, quick), cpu_before, strict=True)
        )
        rounds = self._heartbeats - heartbeats_before
        if not rounds:
            self.failed.append("the quick agent made no round")
        round_s = max(0.0, quick_s - idle_s) / max(1, rounds)
        return idle_s / idle * 3600 + ROUNDS_PER_HOUR * round_s

    def _spawn(self, host: str, interval_s: int) -> ChildProcess:
        environment = {
            "NATS_URL": self._nats.url,
            "DOCKER_HOST": self._engine.host,
            "IMAGEDRIFT_HOST_ID": host,
            "IMAGEDRIFT_STATE_DIR": str(self._home / host),
            "IMAGEDRIFT_INTERVAL": str(interval_s),
        }
        child = ChildProcess.spawn(
            [console_script("imagedrift-agent")],
            log=self._home / f"{host}.log",
            environment=BASE_ENVIRONMENT | environment,
        )
        self._agents.append(child)
        return child

    def stop(self) -> None:
        """Stop every agent."""
        while self._agents:
            self._agents.pop().stop()


def _memory_mb(pid: int, field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _cpu_s(pid: int) -> float:
    """Return the processor time of all threads, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
