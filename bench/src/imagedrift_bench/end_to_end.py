"""`imagedrift bench end-to-end`: how soon an operator sees in SQL what happened elsewhere.

Two events are measured. An image changes on a host, whose agent gets the engine's event. And a tag
is pushed to a registry, without a notification: there the time begins when the reference is due,
as the time before that is the operator's choice of freshness.

Every part is a process. The engine is a scripted one, so that no image is unpacked; the registry
is the sandbox's. The raw limit, in the same run and on the same machine, is one acknowledged
message, one request to the registry, one commit.

The agent waits for quiet after an engine's event (0.2 s, see its `debounce`), and the planner looks
for due references every half second: both are in the figures.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, Final, NamedTuple

import asyncpg
import click

from imagedrift_bench import report
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.engine import ScriptedEngine
from imagedrift_sandbox.http_probe import http_status
from imagedrift_sandbox.registry.control import SyntheticImage
from imagedrift_sandbox.registry.images import PushedImage
from imagedrift_sandbox.registry.process import RegistryProcess
from imagedrift_sandbox.stack import Stack, named_registry
from imagedrift_schemas import subjects

HOST: Final = "bench"
TAG: Final = "1"
PLATFORM: Final = "linux/amd64"
FRESHNESS_S: Final = 2
POLL_S: Final = 0.002
WITHIN_S: Final = 60.0
ROWS: Final = """\
SELECT reference, image_id, local_digests, remote_digest, verdict, checked_at, next_check_at
FROM ops.comparisons WHERE host = 'bench'"""


class Release(NamedTuple):
    """An image to which a tag pointed at some time."""

    digest: str
    image_id: str


@click.command("end-to-end")
@report.count("--images", 50, "Images on the host.")
@report.count("--changes", 100, "Images that change there.")
@report.count("--pushes", 20, "Tags that are pushed.")
@report.as_json
def command(images: int, changes: int, pushes: int, as_json: bool) -> None:
    """Image changed on a host, or tag pushed: how long until the operator's row says so."""
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        Path(home).chmod(0o755)
        run = asyncio.run(_measure(Path(home), images, changes, pushes))
    report.finish("end-to-end", run.figures, as_json=as_json, failed_checks=run.failed)


async def _measure(home: Path, images: int, changes: int, pushes: int) -> "_Run":
    async with (
        RegistryProcess.start() as registry,
        ScriptedEngine.serving(home / "engine.sock") as engine,
        Stack.running(
            home, registries_toml=named_registry(registry.host), freshness_s=FRESHNESS_S
        ) as stack,
        bus.connect([stack.nats.url], "imagedrift-bench") as nats,
        asyncpg.create_pool(stack.dsn, min_size=1, max_size=1) as database,
    ):
        run = _Run(registry, engine, nats, database, images)
        await run.prepare()
        report.progress.print("services start")
        await asyncio.gather(stack.start_ingest(), stack.start_resolver())
        await stack.start_agent(host=HOST, docker_host=engine.host)
        await run.until_all_true()
        report.progress.print(f"{changes} images change on the host")
        await run.changes(changes)
        report.progress.print(f"{pushes} tags are pushed")
        await run.pushes(pushes)
        await run.floor()
        await run.until_all_true()
        return run


class _Run:
    """The truth, the events of a run, and their delays."""

    def __init__(
        self,
        registry: RegistryProcess,
        engine: ScriptedEngine,
        nats: Bus,
        database: "asyncpg.Pool[asyncpg.Record]",
        images: int,
    ) -> None:
        self.figures: dict[str, float | int] = {"images": images, "freshness_s": FRESHNESS_S}
        self.failed: list[str] = []
        self._registry = registry
        self._engine = engine
        self._nats = nats
        self._database = database
        self._chance = random.Random(1)  # noqa: S311 - no secret
        self._names = [f"team/app-{number}" for number in range(images)]
        self._seeds = dict.fromkeys(self._names, 0)
        self._now: dict[str, Release] = {}
        self._local: dict[str, Release] = {}

    async def prepare(self) -> None:
        """Push two versions of every image; the host has the older ones."""
        self._local = await self._push(self._names)
        self._now = await self._push(self._names)
        self._script()

    async def until_all_true(self) -> None:
        """Wait until every row of the host is true; a row that stays wrong is a failure."""
        deadline = time.monotonic() + WITHIN_S
        while self._true_rows() != (found := self._shown(await self._database.fetch(ROWS))):
            if time.monotonic() > deadline:
                self.failed.append(f"{len(self._true_rows() ^ found) // 2} rows are not true")
                return
            await asyncio.sleep(POLL_S)

    async def changes(self, count: int) -> None:
        """Replace one image of the host after the other, and wait for each row."""
        took = []
        for number in range(count):
            name = self._names[number % len(self._names)]
            self._local[name] = self._now[name]
            if number // len(self._names) % 2:
                self._local[name] = Release(f"sha256:{number:064x}", f"sha256:{number + 1:064x}")
            self._script()
            began = time.perf_counter()
            self._engine.emit("image", "pull", self._reference(name))
            await self._until_true(name)
            took.append(time.perf_counter() - began)
        self._tell("", took)

    async def pushes(self, count: int) -> None:
        """Push a new image under one tag after the other, and wait for each row."""
        from_due, from_push = [], []
        for _ in range(count):
            name = self._chance.choice(self._names)
            pushed_at = now()
            self._now |= await self._push([name])
            dues, seen_at = await self._until_true(name)
            # One that was asked about at that moment needs not wait until it is due again.
            due = dues[0] if dues and dues[0] <= seen_at else pushed_at
            from_due.append((seen_at - max(due, pushed_at)).total_seconds())
            from_push.append((seen_at - pushed_at).total_seconds())
        self._tell("pushed_once_due_", from_due)
        self._tell("pushed_", from_push)

    async def floor(self) -> None:
        """Measure the raw limit: a stored message, a request, a commit."""
        bucket = await self._nats.bucket(subjects.BUCKET_REGISTRIES)
        await self._database.execute("CREATE TABLE bench (at timestamptz)")
        took = []
        for _ in range(50):
            began = time.perf_counter()
            await bucket.put("bench", b"x" * 256)
            await asyncio.to_thread(http_status, f"{self._registry.url}/v2/")
            await self._database.execute("INSERT INTO bench VALUES (now())")
            took.append(time.perf_counter() - began)
        self._tell("floor_", took)

    async def _until_true(self, name: str) -> tuple[list[datetime], datetime]:
        """Wait until an image's row is true, and return its due times and the time now."""
        query = f"{ROWS} AND reference = $1"
        dues: dict[datetime, None] = {}
        deadline = time.monotonic() + WITHIN_S
        while True:
            rows = await self._database.fetch(query, self._reference(name))
            if self._shown(rows) == self._true_rows([name]):
                return list(dues), now()
            dues |= {row["next_check_at"]: None for row in rows if row["next_check_at"]}
            if time.monotonic() > deadline:
                self.failed.append(f"{name} was not seen to change")
                return list(dues), now()
            await asyncio.sleep(POLL_S)

    def _true_rows(self, names: Sequence[str] = ()) -> set[tuple[str, ...]]:
        return {
            (
                self._reference(name),
                self._local[name].image_id,
                self._now[name].digest,
                "current" if self._local[name] == self._now[name] else "outdated",
            )
            for name in names or self._names
        }

    def _shown(self, rows: Sequence[asyncpg.Record]) -> set[tuple[str, ...]]:
        columns = ("reference", "image_id", "remote_digest", "verdict")
        return {tuple(row[column] for column in columns) for row in rows}

    async def _push(self, names: Sequence[str]) -> dict[str, Release]:
        """Push a new image under the tags of these repositories."""
        for name in names:
            self._seeds[name] += 1
        images = [
            SyntheticImage(repository=name, tag=TAG, seed=self._seeds[name]) for name in names
        ]
        pushed: list[PushedImage] = await self._registry.push(images)
        return {
            name: Release(each.digest, each.configs[PLATFORM])
            for name, each in zip(names, pushed, strict=True)
        }

    def _script(self) -> None:
        """Give the engine the images that the host has now."""
        images = [self._engine_image(name, release) for name, release in self._local.items()]
        keep = ("Id", "RepoTags", "RepoDigests", "Size")
        self._engine.answers = {
            "/version": {"Version": "28.2.2", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"},
            "/info": {"Name": "scripted", "Labels": []},
            "/images/json": [{key: image[key] for key in keep} for image in images],
            "/containers/json": [],
        } | {f"/images/{image['Id']}/json": image for image in images}

    def _engine_image(self, name: str, release: Release) -> dict[str, Any]:
        return {
            "Id": release.image_id,
            "RepoTags": [self._reference(name)],
            "RepoDigests": [f"{self._registry.host}/{name}@{release.digest}"],
            "Created": "2026-10-01T10:20:30Z",
            "Size": 70_000_000,
            "Os": "linux",
            "Architecture": "amd64",
        }

    def _reference(self, name: str) -> str:
        return f"{self._registry.host}/{name}:{TAG}"

    def _tell(self, prefix: str, took_s: Sequence[float]) -> None:
        cuts = quantiles(took_s, n=100, method="inclusive")
        self.figures[f"{prefix}p50_ms"] = round(cuts[49] * 1000, 1)
        self.figures[f"{prefix}p99_ms"] = round(cuts[98] * 1000, 1)
