"""Which request is this? Method and path → kind, repository, reference.

A repository name has slashes of its own, so the path is read from its end.
"""

from dataclasses import dataclass
from enum import StrEnum


class RouteKind(StrEnum):
    """The kind of a request, which is the counters' key."""

    PING = "ping"
    TOKEN = "token"  # noqa: S105
    MANIFEST_HEAD = "manifest_head"
    MANIFEST_GET = "manifest_get"
    MANIFEST_PUT = "manifest_put"
    MANIFEST_DELETE = "manifest_delete"
    BLOB_HEAD = "blob_head"
    BLOB_GET = "blob_get"
    UPLOAD = "upload"
    TAGS = "tags"
    CATALOG = "catalog"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RegistryRoute:
    """One request, understood."""

    kind: RouteKind
    method: str
    path: str
    repository: str = ""
    reference: str = ""

    @property
    def action(self) -> str:
        """Name the scope that the request needs a token for."""
        return "push" if self.kind in PUSHES else "pull"


PUSHES = frozenset({RouteKind.UPLOAD, RouteKind.MANIFEST_PUT, RouteKind.MANIFEST_DELETE})
MANIFEST_KINDS = {
    "HEAD": RouteKind.MANIFEST_HEAD,
    "GET": RouteKind.MANIFEST_GET,
    "PUT": RouteKind.MANIFEST_PUT,
    "DELETE": RouteKind.MANIFEST_DELETE,
}
BLOB_KINDS = {"HEAD": RouteKind.BLOB_HEAD, "GET": RouteKind.BLOB_GET}


def understand(method: str, path: str, token_path: str = "/token") -> RegistryRoute:  # noqa: S107
    """Read a request line."""
    if path == token_path:
        return RegistryRoute(RouteKind.TOKEN, method, path)
    if path.startswith("/v2/"):
        return _api(method, path)
    if path == "/v2":
        return RegistryRoute(RouteKind.PING, method, path)
    return RegistryRoute(RouteKind.OTHER, method, path)


def _api(method: str, path: str) -> RegistryRoute:
    rest = path[len("/v2/") :]
    if not rest:
        return RegistryRoute(RouteKind.PING, method, path)
    if rest == "_catalog":
        return RegistryRoute(RouteKind.CATALOG, method, path)
    name, found, reference = rest.rpartition("/manifests/")
    if found:
        kind = MANIFEST_KINDS.get(method, RouteKind.OTHER)
        return RegistryRoute(kind, method, path, name, reference)
    name, found, identifier = rest.partition("/blobs/uploads")
    if found:
        return RegistryRoute(RouteKind.UPLOAD, method, path, name, identifier.strip("/"))
    name, found, digest = rest.rpartition("/blobs/")
    if found:
        return RegistryRoute(BLOB_KINDS.get(method, RouteKind.OTHER), method, path, name, digest)
    if rest.endswith("/tags/list"):
        return RegistryRoute(RouteKind.TAGS, method, path, rest.removesuffix("/tags/list"))
    return RegistryRoute(RouteKind.OTHER, method, path)
