"""The good hosts beside a bad one: heartbeats, changed images, new references, and their delays."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from statistics import quantiles
from typing import Final

import asyncpg

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.registry.control import SyntheticImage
from imagedrift_sandbox.registry.process import RegistryProcess
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, Inventory, LocalImage

SITE: Final = "bench"
IMAGES: Final = 20
CHANGES_PER_S: Final = 5
NEW_PER_S: Final = 1
HEARTBEAT_EVERY_S: Final = 30
POLL_S: Final = 0.05
WITHIN_S: Final = 60.0
STORED: Final = "SELECT host, seq FROM fleet.hosts JOIN fleet.host_state USING (host_id)"
JUDGED: Final = """\
SELECT reference FROM ops.comparisons WHERE reference = ANY($1) AND verdict = 'current'"""


class GoodHosts:
    """Publishes for the good hosts, and measures when the database shows it."""

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
        """Push the images of the hosts, and publish each host's inventory."""
        self._images = await self._push([f"app/{number}" for number in range(100)])
        for number in range(len(self._names)):
            await self._publish(number, self._images_of(number))

    async def until_judged(self) -> None:
        """Wait until all inventories are stored and every reference has its verdict."""
        held = itertools.chain.from_iterable(map(self._images_of, range(len(self._names))))
        self._unjudged = {image.reference: time.monotonic() for image in held}
        await self._until_seen()
        self._stored, self._judged = [], []

    async def run(self, seconds: int) -> None:
        """Publish for this long, and wait until the database shows the last change."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for work in (
                self._send_heartbeats,
                self._change_images,
                self._add_references,
                self._watch,
            ):
                tasks.create_task(work(over))
            await asyncio.sleep(seconds)
            over.set()
        await self._until_seen()
        self._add_figures("stored", self._stored)
        self._add_figures("judged", self._judged)

    async def _send_heartbeats(self, over: asyncio.Event) -> None:
        for number in itertools.cycle(range(len(self._names))):
            if over.is_set():
                return
            alive = Alive(site=SITE, host=self._names[number], content=f"sha256:{0:064x}", at=now())
            subject = subjects.alive(SITE, self._names[number])
            await self._nats.say(subject, codec.encode(alive))
            await asyncio.sleep(HEARTBEAT_EVERY_S / len(self._names))

    async def _change_images(self, over: asyncio.Event) -> None:
        for turn in itertools.count(1):
            if over.is_set():
                return
            number = turn % (len(self._names) * 9 // 10)
            if self._names[number] not in self._waiting:
                await self._publish(number, self._images_of(number, running=turn))
            await asyncio.sleep(1 / CHANGES_PER_S)

    async def _add_references(self, over: asyncio.Event) -> None:
        for turn in itertools.count():
            if over.is_set():
                return
            number = -1 - turn % (len(self._names) // 10)  # a change would remove the new image
            [new] = await self._push([f"new/{turn}"])
            self._unjudged[new.reference] = time.monotonic()
            await self._publish(number, (*self._images_of(number, running=turn), new))
            await asyncio.sleep(1 / NEW_PER_S)

    async def _watch(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self._read()
            await asyncio.sleep(POLL_S)

    async def _until_seen(self) -> None:
        deadline = time.monotonic() + WITHIN_S
        while self._waiting or self._unjudged:
            if time.monotonic() > deadline:
                self._stored += [WITHIN_S for _ in self._waiting]
                self._judged += [WITHIN_S for _ in self._unjudged]
                return
            await self._read()
            await asyncio.sleep(POLL_S)

    async def _read(self) -> None:
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

    async def _publish(self, number: int, images: tuple[LocalImage, ...]) -> None:
        host = self._names[number]
        content = codec.content_hash(images)
        inventory = Inventory(site=SITE, host=host, taken_at=now(), content=content, images=images)
        began = time.monotonic()
        stored = await self._nats.publish(subjects.inventory(SITE, host), codec.encode(inventory))
        self._waiting[host] = (getattr(stored, "seq", 0), began)

    def _images_of(self, number: int, running: int = 1) -> tuple[LocalImage, ...]:
        """Return a host's images; another `running` makes it a change."""
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
            [SyntheticImage(repository=name, tag="1", seed=1) for name in repositories]
        )
        return [
            LocalImage(
                reference=f"{self._registry.host}/{name}:1",
                image_id=next(iter(each.configs.values())),
                repo_digests=(each.digest,),
            )
            for name, each in zip(repositories, pushed, strict=True)
        ]

    def _add_figures(self, name: str, took_s: Sequence[float]) -> None:
        """Add the figures of delays; a single one is both, and 0 says that there is none."""
        if len(took_s) > 1:
            cuts = quantiles(took_s, n=100, method="inclusive")
        else:
            cuts = [*took_s, 0.0][:1] * 99
        self.figures[f"{name}_p50_s"] = round(cuts[49], 3)
        self.figures[f"{name}_p99_s"] = round(cuts[98], 3)
