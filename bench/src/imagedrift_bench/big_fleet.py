"""A large fleet that is the same in every run: as messages on NATS, or as rows in PostgreSQL.

Each host has `images` references out of `references`, popular ones more often, each at one of
`VERSIONS` versions, the newest more often. Every message is put together from pieces that were
encoded once.
"""

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, NamedTuple

from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, LocalImage

SITE: Final = "bench"
VERSIONS: Final = 5
NEWEST: Final = VERSIONS - 1
NEWEST_SHARE: Final = 0.85
RUNNING_SHARE: Final = 0.3
TAKEN_AT: Final = datetime(2026, 11, 23, tzinfo=UTC)


class Held(NamedTuple):
    """One image of a host: which reference, at which version, and whether a container runs."""

    reference: int
    version: int
    runs: bool


class BigFleet:
    """`hosts` hosts with `images` images each."""

    def __init__(self, hosts: int, images: int, references: int | None = None) -> None:
        self.hosts = hosts
        self.images = images
        self.references = references or max(images * 2, min(10_000, hosts * images // 10))

    def host(self, number: int) -> str:
        """Name a host."""
        return f"host-{number:06d}"

    def reference(self, number: int) -> str:
        """Name a reference."""
        return f"docker.io/fleet/app{number:05d}:stable"

    def digest(self, reference: int, version: int, kind: str = "digest") -> str:
        """Name what a reference points to at a version, or the image id (`kind` is `id`)."""
        return "sha256:" + hashlib.sha256(f"{kind}/{reference}/{version}".encode()).hexdigest()

    def held(self, number: int) -> list[Held]:
        """Tell what a host has, in the order of its references."""
        draw = random.Random(number)  # noqa: S311 - no secret
        chosen: set[int] = set()
        while len(chosen) < self.images:
            chosen.add(int(self.references * draw.random() ** 2))
        return [
            Held(
                reference,
                NEWEST if draw.random() < NEWEST_SHARE else draw.randrange(NEWEST),
                draw.random() < RUNNING_SHARE,
            )
            for reference in sorted(chosen)
        ]

    def inventory(self, number: int) -> tuple[str, bytes]:
        """Return the subject and payload of a host's inventory."""
        images, content = self._said(number)
        host = self.host(number)
        head = (
            f'{{"type":"inventory","site":"{SITE}","host":"{host}","hostname":"{host}.example.org",'
            f'"labels":{{"dc":"dc{number % 10}"}},"place":"dc{number % 10}/rack-{number % 500}",'
            f'"taken_at":"2026-11-23T00:00:00Z","engine_version":"28.2.2","agent_version":"0.1.0",'
            f'"content":"{content}","images":'
        )
        return subjects.inventory(SITE, host), head.encode() + images + b"}"

    def heartbeat(self, number: int, at: datetime) -> tuple[str, bytes]:
        """Return the subject and payload of a host's heartbeat."""
        host = self.host(number)
        alive = Alive(site=SITE, host=host, content=self._said(number)[1], at=at)
        return subjects.alive(SITE, host), codec.encode(alive)

    def rows(self) -> Iterator[tuple[int, Held]]:
        """List every image of every host."""
        for number in range(self.hosts):
            for held in self.held(number):
                yield number, held

    def _said(self, number: int) -> tuple[bytes, str]:
        images = b"[" + b",".join(self._piece(held) for held in self.held(number)) + b"]"
        return images, f"sha256:{hashlib.sha256(images).hexdigest()}"

    def _piece(self, held: Held) -> bytes:
        piece = self._pieces.get(held)
        if piece is None:
            image = LocalImage(
                reference=self.reference(held.reference),
                image_id=self.digest(held.reference, held.version, "id"),
                repo_digests=(self.digest(held.reference, held.version),),
                size=50_000_000 + held.reference,
                created_at=TAKEN_AT,
                containers=("app",) if held.runs else (),
                running=int(held.runs),
            )
            piece = self._pieces[held] = codec.encode(image)
        return piece

    @cached_property
    def _pieces(self) -> dict[Held, bytes]:
        return {}
