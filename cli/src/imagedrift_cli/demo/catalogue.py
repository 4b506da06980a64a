"""The images of the demonstration's fleet, with the right verdict of each. Deterministic.

`stock` pushes the images into the sandbox's registry and returns what a host may have of each
product; `DemoFleet` draws each host's images from that. The truth is known before anything is
asked, so the demonstration can check the system's answers against it.
"""

import random
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from imagedrift_sandbox.fleet.hosts import Fleet
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_sandbox.registry.images import PushedImage, Shape
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_schemas.v1 import LocalImage

SITE: Final = "demo"
STAR: Final = "library/nginx"
"""On every host; its tag is moved in the end."""
TAG: Final = "1.27"
FIXED: Final = "data/keycloak"
FIXED_TAG: Final = "26.0.5"
"""On every host; this tag never moves."""
NEWER: Final = ("26.0.8", "26.4.1")
"""The newest patch and minor version in its repository."""
PLATFORM: Final = "linux/amd64"
REPOSITORIES: Final = (
    *("library/" + name for name in ("redis", "postgres", "mariadb", "rabbitmq", "memcached")),
    *("library/" + name for name in ("traefik", "haproxy", "caddy", "registry", "mongo")),
    *("observe/" + name for name in ("grafana", "loki", "prometheus", "alertmanager", "otel")),
    *("team/" + name for name in ("web", "api", "worker", "mailer", "search", "billing")),
    *("infra/" + name for name in ("vault", "consul", "nats", "minio", "fluent-bit", "unbound")),
)


class Choice(Struct, frozen=True, kw_only=True):
    """One image that a host may have of a product, and its expected verdict."""

    image: LocalImage
    verdict: str


class Product(Struct, frozen=True, kw_only=True):
    """The images that hosts have of one reference: one choice each, by weight."""

    choices: tuple[Choice, ...]
    weights: tuple[int, ...]
    everywhere: bool = False
    asked: bool = True
    """Whether a registry is ever asked about it."""


def stock(registry: SandboxRegistry) -> list[Product]:
    """Push every image, and return the choices that hosts have of each."""
    plain = [_replaced(registry, name, 1 + number) for number, name in enumerate(REPOSITORIES)]
    return [_star(registry), *plain, *_special(registry), _fixed(registry)]


def move_the_star(registry: SandboxRegistry) -> str:
    """Push a new image under the star's tag and return its digest."""
    return registry.push_image(STAR, TAG, seed=99).digest


class DemoFleet(Fleet[Choice]):
    """Hosts that each have some of the products."""

    def __init__(self, hosts: int, products: Sequence[Product]) -> None:
        super().__init__(SITE, hosts)
        self._products = products

    def images_of(self, number: int) -> list[Choice]:
        """Draw the images of a host."""
        chance = random.Random(number)  # noqa: S311 - a simulation
        return [
            chance.choices(product.choices, product.weights)[0]
            for product in self._products
            if product.everywhere or chance.random() < 0.5
        ]

    def image(self, held: Choice) -> LocalImage:
        """Take the image of a choice."""
        return held.image

    def labels(self, number: int) -> dict[str, str]:
        """Tell how a host is labelled: two in three are production."""
        return super().labels(number) | {"env": "prod" if number % 3 else "test"}


def _star(registry: SandboxRegistry) -> Product:
    now = registry.push_image(STAR, TAG, seed=1)
    image = _image(registry, STAR, now, containers=("web",), running=1)
    return Product(choices=(Choice(image=image, verdict="current"),), weights=(1,), everywhere=True)


def _fixed(registry: SandboxRegistry) -> Product:
    """Make a product whose tag names a version, while its repository has newer ones."""
    for seed, tag in enumerate(("26.0.7", *NEWER), 500):
        registry.push_image(FIXED, tag, seed=seed)
    now = registry.push_image(FIXED, FIXED_TAG, seed=499)
    image = _image(registry, FIXED, now, tag=FIXED_TAG, containers=("auth",), running=1)
    return Product(choices=(Choice(image=image, verdict="current"),), weights=(1,), everywhere=True)


def _replaced(registry: SandboxRegistry, repository: str, seed: int) -> Product:
    """Make a product of which some hosts still have the image before the newest."""
    old = registry.push_image(repository, TAG, seed=seed)
    new = registry.push_image(repository, TAG, seed=1000 + seed)
    running = ("main",) if seed % 2 else ()
    return Product(
        choices=tuple(
            Choice(
                image=_image(
                    registry, repository, pushed, containers=running, running=len(running)
                ),
                verdict=verdict,
            )
            for pushed, verdict in ((new, "current"), (old, "outdated"))
        ),
        weights=(3, 1),
    )


def _special(registry: SandboxRegistry) -> list[Product]:
    return [
        _index_that_moved_elsewhere(registry),
        _single("local", _local(registry, "team/scratchpad"), asked=False),
        _single("pinned", _pinned(registry, "infra/etcd"), asked=False),
        _single("missing", _removed_image(registry, "team/retired")),
        _single("unknown", _private(registry, "secret/ledger")),
    ]


def _single(verdict: str, image: LocalImage, *, asked: bool = True) -> Product:
    return Product(choices=(Choice(image=image, verdict=verdict),), weights=(1,), asked=asked)


def _index_that_moved_elsewhere(registry: SandboxRegistry) -> Product:
    """Make a product whose index was rebuilt for arm64 only: nobody on amd64 is outdated."""
    before = registry.push_image("infra/dns", TAG, seed=7, shape=Shape.PLAIN_INDEX)
    registry.push_image(
        "infra/dns", TAG, seed=7, shape=Shape.PLAIN_INDEX, platforms=(PLATFORM, "linux/arm64")
    )
    return _single("current", _image(registry, "infra/dns", before))


def _local(registry: SandboxRegistry, repository: str) -> LocalImage:
    image_id = f"sha256:{'5c' * 32}"
    return LocalImage(reference=registry.reference(repository, "dev"), image_id=image_id)


def _pinned(registry: SandboxRegistry, repository: str) -> LocalImage:
    pushed = registry.push_image(repository, TAG, seed=3)
    return LocalImage(
        reference=f"{registry.host}/{repository}@{pushed.digest}",
        image_id=pushed.configs[PLATFORM],
        repo_digests=(pushed.digest,),
    )


def _removed_image(registry: SandboxRegistry, repository: str) -> LocalImage:
    pushed = registry.push_image(repository, "now", seed=4)
    return LocalImage(
        reference=registry.reference(repository, "before"),
        image_id=pushed.configs[PLATFORM],
        repo_digests=(pushed.digest,),
    )


def _private(registry: SandboxRegistry, repository: str) -> LocalImage:
    pushed = registry.push_image(repository, TAG, seed=5)
    registry.misbehave(Fault(repository=repository, status=403))
    return _image(registry, repository, pushed)


def _image(
    registry: SandboxRegistry,
    repository: str,
    pushed: PushedImage,
    *,
    tag: str = TAG,
    containers: tuple[str, ...] = (),
    running: int = 0,
) -> LocalImage:
    return LocalImage(
        reference=registry.reference(repository, tag),
        image_id=pushed.configs[PLATFORM],
        repo_digests=(pushed.digest,),
        platform=PLATFORM,
        size=70_000_000,
        containers=containers,
        running=running,
    )
