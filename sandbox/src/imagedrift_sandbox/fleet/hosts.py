"""The hosts: which images each has, and what it says of them.

Rules:
- A host's images depend on the seed and its number alone: any process can make any host, in any
  order, and gets the same.
- Popularity follows Zipf's law: a few references are nearly everywhere, most are rare.
- An image is encoded once per distinct image, not once per host; a host's inventory is put
  together from those bytes. It is exactly what `codec.encode` writes of the same `Inventory`.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from msgspec import Raw

from imagedrift_sandbox.fleet.catalogue import PLATFORM, Series
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, Inventory, InventoryEnvelope, LocalImage

RUNNING = 0.5
SIZES_MB = (12, 40, 71, 130, 400, 900)


class Held(NamedTuple):
    """One image on a host: which of its series' releases, counted back from the newest."""

    series: int
    behind: int
    running: bool


class Fleet:
    """So many hosts, each with so many distinct references (or the whole catalogue, if smaller)."""

    def __init__(
        self,
        catalogue: Sequence[Series],
        *,
        hosts: int,
        images_per_host: int,
        seed: int = 0,
        sites: Sequence[str] = ("sim",),
        interval_s: int = 300,
        outdated: float = 0.2,
        popularity: float = 1.0,
    ) -> None:
        """`outdated` is the share of images behind the newest; `popularity` is Zipf's exponent."""
        self.catalogue = list(catalogue)
        self.hosts = hosts
        self.images_per_host = min(images_per_host, len(self.catalogue))
        self.seed = seed
        self.sites = tuple(sites)
        self.interval_s = interval_s
        self._outdated = outdated
        self._popularity = popularity
        self._encoded: dict[Held, bytes] = {}
        self._pulled: dict[tuple[int, str], int] = {}
        self._seq: dict[int, int] = {}
        self._content: dict[int, str] = {}

    def host(self, number: int) -> tuple[str, str]:
        """Site and id of a host."""
        return self.sites[number % len(self.sites)], f"host-{number:06}"

    def images(self, number: int) -> list[Held]:
        """What a host has."""
        chance = random.Random(self.seed << 32 | number)  # noqa: S311 a simulation
        held = [self._held(series, chance.random) for series in self._draw(chance)]
        if not self._pulled:
            return held
        return [each._replace(behind=self._behind(number, each)) for each in held]

    def pull(self, number: int, reference: str) -> None:
        """Let a host pull a reference's newest release; its next inventory says so."""
        self._pulled[number, reference] = 0
        self._seq[number] = self._seq.get(number, 1) + 1
        self._content.pop(number, None)

    def local_image(self, held: Held) -> LocalImage:
        """An image as an agent reports it."""
        series = self.catalogue[held.series]
        release = series.releases[-1 - held.behind]
        name = series.reference.rpartition("/")[2].partition(":")[0]
        return LocalImage(
            reference=series.reference,
            image_id=release.image_id,
            repo_digests=(release.digest,),
            platform=PLATFORM,
            size=SIZES_MB[held.series % len(SIZES_MB)] * 1_000_000,
            containers=(name,) if held.running else (),
            running=int(held.running),
            manifest_digest=release.manifest_digest,
        )

    def inventory(self, number: int, at: datetime) -> Inventory:
        """A host's inventory as a value."""
        return codec.decode(self.report(number, at)[1], Inventory)

    def report(self, number: int, at: datetime) -> tuple[str, bytes]:
        """Subject and bytes of a host's inventory."""
        site, host = self.host(number)
        images, content = self._written(number)
        said = InventoryEnvelope(
            site=site,
            host=host,
            hostname=f"{host}.{site}.example.org",
            labels={"env": "prod" if number % 3 else "test"},
            engine_version="28.2.2",
            agent_version="sandbox",
            boot=f"sim-{self.seed}",
            seq=self._seq.get(number, 1),
            taken_at=at,
            interval_s=self.interval_s,
            content=content,
            images=Raw(images),
        )
        return subjects.inventory(site, host), codec.encode(said)

    def heartbeat(self, number: int, at: datetime) -> tuple[str, bytes]:
        """Subject and bytes of what an unchanged host says."""
        site, host = self.host(number)
        said = Alive(
            site=site,
            host=host,
            content=self._content.get(number) or self._written(number)[1],
            boot=f"sim-{self.seed}",
            seq=self._seq.get(number, 1),
            at=at,
            interval_s=self.interval_s,
        )
        return subjects.alive(site, host), codec.encode(said)

    def _held(self, series: int, chance: Callable[[], float]) -> Held:
        older = len(self.catalogue[series].releases) - 1
        behind = 1 + int(chance() * older) if older and chance() < self._outdated else 0
        return Held(series, behind, chance() < RUNNING)

    def _behind(self, number: int, held: Held) -> int:
        return self._pulled.get((number, self.catalogue[held.series].reference), held.behind)

    def _written(self, number: int) -> tuple[bytes, str]:
        """A host's images in canonical order, and their content hash."""
        images = b"[" + b",".join(sorted(map(self._encode, self.images(number)))) + b"]"
        content = self._content[number] = f"sha256:{hashlib.sha256(images).hexdigest()}"
        return images, content

    def _encode(self, held: Held) -> bytes:
        written = self._encoded.get(held)
        if written is None:
            written = self._encoded[held] = codec.encode(self.local_image(held))
        return written

    def _draw(self, chance: random.Random) -> list[int]:
        """Distinct series, the popular ones more often."""
        drawn: dict[int, None] = {}
        everything = range(len(self.catalogue))
        while len(drawn) < self.images_per_host:
            missing = self.images_per_host - len(drawn)
            more = chance.choices(everything, cum_weights=self._weights, k=missing + 5)
            drawn.update(dict.fromkeys(more))
        return list(drawn)[: self.images_per_host]

    @cached_property
    def _weights(self) -> list[float]:
        ranks = range(1, len(self.catalogue) + 1)
        return list(accumulate(1 / rank**self._popularity for rank in ranks))
