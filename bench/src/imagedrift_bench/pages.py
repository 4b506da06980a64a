"""`imagedrift bench pages`: every page of a large fleet, and many viewers while tags move.

Pages are read one after the other, each several times: the median time until the first byte, and
the bytes. Then viewers hold their pages open. A tag moves several times, without them and with
them, from a running ingest. Each viewer reads its page again when it is told, as a browser does.
Ingest's lag is how long an answer waits until it is stored, all that time.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg
import click
import httpx

from imagedrift_bench import due, report
from imagedrift_bench.answer_lag import AnswerLag
from imagedrift_bench.flip import Flip
from imagedrift_bench.ingest import peak_mb
from imagedrift_bench.queries import SETTINGS
from imagedrift_bench.report import Figures
from imagedrift_bench.seed import UNANSWERED_EVERY, Truth, seed
from imagedrift_ingest.commands import maintain
from imagedrift_runtime.nats import bus
from imagedrift_sandbox.fleet.invented import NEWEST, SITE, InventedFleet
from imagedrift_sandbox.stack import Stack
from imagedrift_schemas import subjects

REPEATS: Final = 5
MOVES: Final = 4
READ_AGAIN_EVERY_S: Final = 5.0
"""As often as a browser reads its page again at most: see the service's page.js."""
READ_AGAIN_WITHIN_S: Final = 0.5
TOLD_WITHIN_S: Final = 10.0
MOST_BYTES: Final = 100_000


@click.command("pages")
@report.count("--hosts", 100_000)
@report.count("--images", 30)
@report.count("--viewers", 50)
@report.as_json
def command(hosts: int, images: int, viewers: int, as_json: bool) -> None:
    """Read every page, and hold pages open while tags move."""
    fleet = InventedFleet(hosts, images)
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        Path(home).chmod(0o755)
        figures, failed = asyncio.run(_measure(fleet, viewers, Path(home)))
    report.finish("pages", figures, as_json=as_json, failed_checks=failed)


async def _measure(
    fleet: InventedFleet, viewers: int, home: Path
) -> tuple[dict[str, float | int], list[str]]:
    async with (
        Stack.running(home, durable=True, postgres_settings=SETTINGS) as stack,
        bus.connect([stack.nats.url], "imagedrift-bench") as nats,
    ):
        connection = await asyncpg.connect(stack.dsn)
        report.progress.print(f"writing {fleet.hosts * fleet.images} rows")
        truth = await seed(connection, fleet)
        await due.add_versions(connection, fleet)
        await due.decide(connection, fleet)
        await maintain(stack.dsn)
        url = await stack.start_dashboard()
        dashboard = stack.services[-1]
        popular = _popular(fleet, truth)
        bucket = await nats.bucket(subjects.BUCKET_DIGESTS)
        flip = Flip(fleet, bucket, connection, popular)
        lag = AnswerLag(fleet, bucket, stack.dsn, next(_answered(fleet, popular)))
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=_LIMITS) as client:
            addresses = _addresses(fleet, popular)
            figures, failed = await _read(client, addresses)
            report.progress.print(f"{viewers} viewers")
            await stack.start_ingest()
            held, untold = await _hold(client, flip, lag, viewers, list(addresses.values()))
        await connection.close()
        figures |= held | {"dashboard_peak_rss_mb": round(peak_mb(dashboard.pid), 1)}
    if untold:
        failed.append(f"{untold} viewers were not told of a move within {TOLD_WITHIN_S:.0f} s")
    return {"hosts": fleet.hosts, "viewers": viewers} | figures, failed


_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=None)


def _popular(fleet: InventedFleet, truth: Truth) -> int:
    """Choose the reference that most hosts have up to date."""
    return max(_answered(fleet), key=lambda number: truth.hosts_with_digest[number, NEWEST])


def _answered(fleet: InventedFleet, other_than: int = 0) -> Iterator[int]:
    """List the references that were answered."""
    every = range(fleet.references)
    return (number for number in every if number % UNANSWERED_EVERY and number != other_than)


def _addresses(fleet: InventedFleet, popular: int) -> dict[str, str]:
    """List the pages, each at its first address and with filters that leave much or nothing."""
    host = f"/hosts/{SITE}/{fleet.host(fleet.hosts // 2)}"
    reference = quote(fleet.reference(popular), safe="")
    on_host = quote(fleet.reference(fleet.images_of(fleet.hosts // 2)[0].reference), safe="")
    place = fleet.place(0).partition("/")[0]
    return {
        "fleet": "/",
        "places": "/places",
        "places_inside": f"/places?inside={place}",
        "hosts": "/hosts",
        "hosts_silent": "/hosts?state=silent",
        "hosts_degraded": "/hosts?state=degraded",
        "hosts_text": "/hosts?text=no-such-host",
        "hosts_place": f"/hosts?place={place}",
        "host": host,
        "why": f"{host}/why?reference={on_host}",
        "images": "/images",
        "images_text": "/images?text=no-such-image",
        "image": f"/image?reference={reference}",
        "image_outdated": f"/image?reference={reference}&verdict=outdated",
        "image_text": f"/image?reference={reference}&text=no-such-host",
        "versions": "/versions",
        "versions_behind": "/versions?behind=yes",
        "due": "/due",
        "due_text": f"/due?text=app{popular:05d}",
        "due_no_text": "/due?text=no-such-image",
        "due_overdue": "/due?overdue=yes",
        "due_place": f"/due?place={place}",
        "due_no_place": "/due?place=nowhere",
        "excused": "/excused",
        "excused_no_place": "/excused?place=nowhere",
        "excused_no_text": "/excused?text=no-such-image",
        "decisions": "/decisions",
        "registries": "/registries",
        "dead_letters": "/dead-letters",
    }


async def _read(
    client: httpx.AsyncClient, addresses: Mapping[str, str]
) -> tuple[Figures, list[str]]:
    """Read each page several times; milliseconds and bytes, and the pages that failed."""
    figures: Figures = {}
    failed, largest = [], 0
    for name, address in addresses.items():
        report.progress.print(address)
        times = []
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            async with client.stream("GET", address) as response:
                times.append((time.perf_counter() - began) * 1000)
                size = len(await response.aread())
        figures[f"{name}_ms"] = round(statistics.median(times[1:]), 1)
        largest = max(largest, size)
        if response.status_code != 200:
            failed.append(f"{address}: status {response.status_code}")
        if size > MOST_BYTES:
            failed.append(f"{address}: {size} bytes")
    return figures | {"largest_page_bytes": largest}, failed


class _Viewer:
    """One open page, which is read again when it is told of a change."""

    def __init__(self, client: httpx.AsyncClient, address: str, pause_s: float) -> None:
        self._client = client
        self._address = address
        self._pause_s = pause_s
        self._read_at = 0.0
        self.told_at = 0.0
        self._is_told = asyncio.Event()

    async def view(self) -> None:
        """Follow changes until cancelled, and read the page again meanwhile when there are some."""
        stream = self._client.stream("GET", "/events")
        async with asyncio.TaskGroup() as reading, stream as response:
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    if not self._is_told.is_set():
                        self.told_at = time.perf_counter()
                    self._is_told.set()
                    reading.create_task(self._read_again())

    async def _read_again(self) -> None:
        if time.perf_counter() - self._read_at > READ_AGAIN_EVERY_S:
            self._read_at = time.perf_counter()
            await asyncio.sleep(self._pause_s)
            await self._client.get(self._address)

    def expect(self) -> None:
        """Wait for a change from now on."""
        self._is_told.clear()

    async def is_told(self, within_s: float) -> bool:
        """Wait until it is told of a change; false when that takes too long."""
        try:
            async with asyncio.timeout(within_s):
                return await self._is_told.wait()
        except TimeoutError:
            return False


async def _hold(
    client: httpx.AsyncClient, flip: Flip, lag: AnswerLag, viewers: int, addresses: list[str]
) -> tuple[Figures, int]:
    """Move a tag without viewers and with them; the figures, and how many were not told."""
    async with lag.sampling() as lag_alone:
        alone = [(await flip.run(move))["answer_to_visible_ms"] for move in range(MOVES)]
    watched, told = [], []
    untold = 0
    async with _viewing(client, viewers, addresses) as viewing, lag.sampling() as lag_watched:
        for move in range(MOVES):
            for each in viewing:
                each.expect()
            watched.append((await flip.run(move))["answer_to_visible_ms"])
            heard = await asyncio.gather(*(each.is_told(TOLD_WITHIN_S) for each in viewing))
            untold = max(untold, heard.count(False))
            told.append(
                max(each.told_at for each in viewing) - min(each.told_at for each in viewing)
            )
    return {
        "visible_without_viewers_ms": statistics.median(alone),
        "visible_with_viewers_ms": statistics.median(watched),
        "ingest_lag_without_viewers_ms": round(statistics.median(lag_alone), 1),
        "ingest_lag_with_viewers_ms": round(statistics.median(lag_watched), 1),
        "ingest_worst_lag_without_viewers_ms": round(max(lag_alone), 1),
        "ingest_worst_lag_with_viewers_ms": round(max(lag_watched), 1),
        "first_to_last_viewer_told_ms": round(max(told) * 1000, 1),
    }, untold


@asynccontextmanager
async def _viewing(
    client: httpx.AsyncClient, viewers: int, addresses: list[str]
) -> AsyncIterator[list[_Viewer]]:
    """Hold so many pages open for the length of the context."""
    pause_s = READ_AGAIN_WITHIN_S / viewers
    made = [_Viewer(client, addresses[n % len(addresses)], n * pause_s) for n in range(viewers)]
    async with asyncio.TaskGroup() as tasks:
        holding = [tasks.create_task(each.view()) for each in made]
        await asyncio.sleep(2)  # every stream is open by then
        yield made
        for each in holding:
            each.cancel()
