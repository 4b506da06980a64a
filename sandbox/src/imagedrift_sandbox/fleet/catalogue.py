"""What a fleet can run: for each reference the releases that its tag has pointed to, in order.

A catalogue is invented (digests that no registry knows, for what never asks one), or made of
images that were really pushed to a sandbox registry.
"""

import hashlib
from collections.abc import Iterator, Sequence

from msgspec import Struct

from imagedrift_sandbox.registry.control import Image
from imagedrift_sandbox.registry.images import Pushed, Shape

PLATFORM = "linux/amd64"
PRODUCTS = ("nginx", "redis", "postgres", "api", "web", "worker", "agent", "proxy", "cache", "auth")
TEAMS = ("library", "team", "infra", "observe", "data")


class Release(Struct, frozen=True, kw_only=True):
    """One image that a tag has pointed to, as an engine knows it."""

    digest: str
    image_id: str
    manifest_digest: str = ""


class Series(Struct, frozen=True, kw_only=True):
    """One reference and its releases, the newest last."""

    reference: str
    releases: tuple[Release, ...]

    @property
    def newest(self) -> Release:
        """What the tag points to now."""
        return self.releases[-1]


def invented_catalogue(
    references: int, *, releases: int = 3, registry: str = "registry.example.org"
) -> list[Series]:
    """A catalogue of digests that are nothing's, for fleets whose registry is never asked."""
    return [
        Series(
            reference=f"{registry}/{repository}:{tag}",
            releases=tuple(_invented(f"{repository}:{tag}", each) for each in range(releases)),
        )
        for repository, tag in _names(references)
    ]


def images_for_catalogue(
    references: int, *, releases: int = 2, shape: Shape = Shape.MANIFEST
) -> list[Image]:
    """What to push, in this order, for a catalogue that a registry can be asked about."""
    return [
        Image(repository=repository, tag=tag, seed=release, shape=shape, platforms=(PLATFORM,))
        for repository, tag in _names(references)
        for release in range(releases)
    ]


def catalogue_on(registry: str, images: Sequence[Image], pushed: Sequence[Pushed]) -> list[Series]:
    """The catalogue of images that were pushed to the registry of that host name."""
    releases: dict[str, list[Release]] = {}
    for image, done in zip(images, pushed, strict=True):
        platform = image.platforms[0]
        releases.setdefault(f"{registry}/{image.repository}:{image.tag}", []).append(
            Release(
                digest=done.digest,
                image_id=done.configs[platform],
                manifest_digest=done.children[platform],
            )
        )
    return [
        Series(reference=reference, releases=tuple(each)) for reference, each in releases.items()
    ]


def _names(count: int) -> Iterator[tuple[str, str]]:
    """Repository and tag of each reference; a repository has up to three tags."""
    for number in range(count):
        product = PRODUCTS[number % len(PRODUCTS)]
        team = TEAMS[number // len(PRODUCTS) % len(TEAMS)]
        group, tag = divmod(number // (len(PRODUCTS) * len(TEAMS)), 3)
        yield f"{team}/{product}{f'-{group}' if group else ''}", f"1.{tag}"


def _invented(name: str, release: int) -> Release:
    return Release(
        digest=_digest(f"manifest {name} {release}"), image_id=_digest(f"config {name} {release}")
    )


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
