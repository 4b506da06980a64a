"""The keys of Docker's and Podman's files: which part of which registry each of them is for.

| key                                                | is for                          |
|----------------------------------------------------|---------------------------------|
| `r.example`, `r.example/`, `https://r.example`     | the registry                    |
| `r.example/v1/`, `https://r.example/api/docker/v2` | the registry: the url of an API |
| `r.example/org-a`, `https://r.example/org-a`       | `org-a` and what is in it       |
| `https://index.docker.io/v1/`, `index.docker.io`   | docker.io                       |

The longest path goes first. Of several keys for one part, the registry's own name does, and for
Docker Hub the url under which `docker login` writes it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from imagedrift_schemas.reference import DOCKER_HUB, parents

V = TypeVar("V")
HUB_KEY: Final = "https://index.docker.io/v1/"
_HUB_NAMES: Final = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
_API_VERSIONS: Final = ("v1", "v2")


class CredentialKey(Struct, frozen=True):
    """A key in its parts; without a path it is for the whole registry."""

    text: str
    registry: str
    path: str

    @property
    def rank(self) -> tuple[bool, bool, str]:
        """Of keys for the same, the one with the lowest rank goes first."""
        written = f"{self.registry}/{self.path}" if self.path else self.registry
        return self.text != HUB_KEY, self.text != written, self.text


class CredentialTable(Struct, Generic[V], frozen=True):
    """The entries of a file by registry and path."""

    held: dict[str, dict[str, list[tuple[CredentialKey, V]]]] = {}

    def matching(self, registry: str, repository: str) -> Iterator[tuple[CredentialKey, V]]:
        """Yield the entries for a repository, the longest path first."""
        here = self.held.get(registry.lower(), {})
        for path in (*parents(repository), ""):
            yield from here.get(path, ())


def index_of(
    entries: Mapping[str, Any], read: Callable[[str, Any], V | None]
) -> CredentialTable[V]:
    """Read every entry; those that say nothing are left out."""
    held: dict[str, dict[str, list[tuple[CredentialKey, V]]]] = {}
    for text, value in entries.items():
        found = read(text, value)
        if found is not None:
            key = read_key(text)
            held.setdefault(key.registry, {}).setdefault(key.path, []).append((key, found))
    for paths in held.values():
        for several in paths.values():
            several.sort(key=lambda pair: pair[0].rank)
    return CredentialTable(held)


def read_key(text: str) -> CredentialKey:
    """Take a key apart."""
    address = text.removeprefix("https://").removeprefix("http://")
    host, _, rest = address.partition("/")
    path = rest.removesuffix("/")
    last = path.rpartition("/")[2] if address != text else path
    registry = host.lower()
    return CredentialKey(
        text,
        DOCKER_HUB if registry in _HUB_NAMES else registry,
        "" if last in _API_VERSIONS else path,
    )
