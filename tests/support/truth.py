"""A fleet that changes all the time, and what must be said of it in the end.

The truth is kept beside the system: which version of each image every host has now, and which one
each tag points to. Nothing of it is read back from the system.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from imagedrift_sandbox.registry.images import PushedImage
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_schemas.v1 import LocalImage
from support.fleet import PLATFORM

VERSIONS = 3
TAG = "1"


class Row(NamedTuple):
    """The row of `ops.comparisons` for one image on one host."""

    host: str
    reference: str
    image_id: str
    remote_digest: str
    verdict: str


class Truth:
    """Hosts with images of a registry, both changing at random."""

    def __init__(
        self,
        registry: SandboxRegistry,
        chance: random.Random,
        *,
        hosts: Sequence[str],
        repositories: int,
        images: int,
    ) -> None:
        self._registry = registry
        self._chance = chance
        self._pushed = {
            f"app/{number}": [
                registry.push_image(f"app/{number}", TAG, seed=version)
                for version in range(VERSIONS)
            ]
            for number in range(repositories)
        }
        self._newest = dict.fromkeys(self._pushed, VERSIONS - 1)
        self._held = {
            host: {
                name: chance.randrange(VERSIONS) for name in chance.sample([*self._pushed], images)
            }
            for host in hosts
        }

    @property
    def hosts(self) -> list[str]:
        """All hosts."""
        return list(self._held)

    def change(self, host: str) -> None:
        """Give a host other versions of some images, and one other image."""
        held = self._held[host]
        for name in self._chance.sample([*held], 3):
            held[name] = self._chance.randrange(VERSIONS)
        del held[self._chance.choice([*held])]
        added = self._chance.choice([name for name in self._pushed if name not in held])
        held[added] = self._chance.randrange(VERSIONS)

    def move_a_tag(self) -> None:
        """Push some version of an image under its tag again."""
        name = self._chance.choice([*self._pushed])
        self._newest[name] = self._chance.randrange(VERSIONS)
        self._registry.push_image(name, TAG, seed=self._newest[name])

    def images_of(self, host: str) -> list[LocalImage]:
        """The images of a host now, as an engine knows them."""
        return [
            LocalImage(
                reference=self._registry.reference(name, TAG),
                image_id=pushed.configs[PLATFORM],
                repo_digests=(pushed.digest,),
                platform=PLATFORM,
            )
            for name, pushed in self._of(host)
        ]

    def write_list(self, host: str, path: Path) -> None:
        """Write what a host has as the list that an agent can read in place of an engine."""
        lines = [f"{self._registry.reference(name, TAG)}@{p.digest}" for name, p in self._of(host)]
        fresh = path.with_suffix(".new")
        fresh.write_text("\n".join(lines))
        fresh.replace(path)

    def rows(self, *, listed: str) -> set[Row]:
        """Every row that has to be there; of the host `listed` the agent knows only digests."""
        return {
            Row(
                host=host,
                reference=self._registry.reference(name, TAG),
                image_id=pushed.digest if host == listed else pushed.configs[PLATFORM],
                remote_digest=self._now(name).digest,
                verdict="current" if pushed.digest == self._now(name).digest else "outdated",
            )
            for host in self._held
            for name, pushed in self._of(host)
        }

    def _of(self, host: str) -> Iterator[tuple[str, PushedImage]]:
        for name, version in self._held[host].items():
            yield name, self._pushed[name][version]

    def _now(self, name: str) -> PushedImage:
        return self._pushed[name][self._newest[name]]
