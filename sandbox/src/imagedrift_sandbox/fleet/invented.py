"""A large fleet of references that no registry has: for messages on NATS, or rows in PostgreSQL.

Each host has `images` references out of `references`, popular ones more often, each at one of
`VERSIONS` versions, the newest more often.
"""

import hashlib
import random
from datetime import UTC, datetime
from typing import Final, NamedTuple

from imagedrift_sandbox.fleet.hosts import Fleet
from imagedrift_schemas.v1 import LocalImage

SITE: Final = "bench"
VERSIONS: Final = 5
NEWEST: Final = VERSIONS - 1
NEWEST_SHARE: Final = 0.85
RUNNING_SHARE: Final = 0.3
TAKEN_AT: Final = datetime(2026, 11, 23, tzinfo=UTC)


class InventedImage(NamedTuple):
    """One image of a host: which reference, at which version, and whether a container runs."""

    reference: int
    version: int
    runs: bool


class InventedFleet(Fleet[InventedImage]):
    """`hosts` hosts with `images` images each."""

    def __init__(self, hosts: int, images: int, references: int | None = None) -> None:
        super().__init__(SITE, hosts)
        self.images = images
        self.references = references or max(images * 2, min(10_000, hosts * images // 10))

    def reference(self, number: int) -> str:
        """Name a reference."""
        return f"docker.io/fleet/app{number:05d}:stable"

    def digest(self, reference: int, version: int, kind: str = "digest") -> str:
        """Return the digest of a reference at a version, or its image id (`kind` is `id`)."""
        return "sha256:" + hashlib.sha256(f"{kind}/{reference}/{version}".encode()).hexdigest()

    def images_of(self, number: int) -> list[InventedImage]:
        """List the images of a host, in the order of its references."""
        draw = random.Random(number)  # noqa: S311 - no secret
        chosen: set[int] = set()
        while len(chosen) < self.images:
            chosen.add(int(self.references * draw.random() ** 2))
        return [
            InventedImage(
                reference,
                NEWEST if draw.random() < NEWEST_SHARE else draw.randrange(NEWEST),
                draw.random() < RUNNING_SHARE,
            )
            for reference in sorted(chosen)
        ]

    def image(self, held: InventedImage) -> LocalImage:
        """Make the image as an agent reports it."""
        return LocalImage(
            reference=self.reference(held.reference),
            image_id=self.digest(held.reference, held.version, "id"),
            repo_digests=(self.digest(held.reference, held.version),),
            size=50_000_000 + held.reference,
            created_at=TAKEN_AT,
            containers=("app",) if held.runs else (),
            running=int(held.runs),
        )
