"""Hosts that are the same in every run, and the messages that they publish.

A fleet decides what its hosts have. An image is encoded once per distinct image, not once per
host; a host's inventory is put together from those bytes. It is exactly what `codec.encode` writes
of the same `Inventory`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Raw

from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, InventoryEnvelope, LocalImage

H = TypeVar("H", bound=Hashable)
"""The identity of one image of one host, as far as others may have the same."""


class Fleet(ABC, Generic[H]):
    """`hosts` hosts of one site."""

    def __init__(self, site: str, hosts: int) -> None:
        self.site = site
        self.hosts = hosts
        self._encoded: dict[H, bytes] = {}

    @abstractmethod
    def images_of(self, number: int) -> Sequence[H]:
        """List the images of a host: the same each time."""

    @abstractmethod
    def image(self, held: H) -> LocalImage:
        """Make the image as an agent reports it."""

    def host(self, number: int) -> str:
        """Name a host."""
        return f"host-{number:06d}"

    def hostname(self, number: int) -> str:
        """Name a host's machine."""
        return f"{self.host(number)}.{self.site}.example.org"

    def labels(self, number: int) -> dict[str, str]:
        """Tell how a host is labelled."""
        return {"dc": f"dc{number % 10}"}

    def place(self, number: int) -> str:
        """Tell where a host sits."""
        return f"dc{number % 10}/rack-{number % 500}"

    def inventory(self, number: int, at: datetime) -> tuple[str, bytes]:
        """Return the subject and payload of a host's inventory."""
        images, content = self._written(number)
        host = self.host(number)
        envelope = InventoryEnvelope(
            site=self.site,
            host=host,
            hostname=self.hostname(number),
            labels=self.labels(number),
            place=self.place(number),
            engine_version="28.2.2",
            agent_version="0.1.0",
            taken_at=at,
            content=content,
            images=Raw(images),
        )
        return subjects.inventory(self.site, host), codec.encode(envelope)

    def heartbeat(self, number: int, at: datetime) -> tuple[str, bytes]:
        """Return the subject and payload of a host's heartbeat."""
        host = self.host(number)
        alive = Alive(site=self.site, host=host, content=self._written(number)[1], at=at)
        return subjects.alive(self.site, host), codec.encode(alive)

    def rows(self) -> Iterator[tuple[int, H]]:
        """List every image of every host."""
        for number in range(self.hosts):
            for held in self.images_of(number):
                yield number, held

    def _written(self, number: int) -> tuple[bytes, str]:
        """Write a host's images in canonical order, and their content hash."""
        images = b"[" + b",".join(sorted(map(self._encode, self.images_of(number)))) + b"]"
        return images, f"sha256:{hashlib.sha256(images).hexdigest()}"

    def _encode(self, held: H) -> bytes:
        written = self._encoded.get(held)
        if written is None:
            written = self._encoded[held] = codec.encode(self.image(held))
        return written
