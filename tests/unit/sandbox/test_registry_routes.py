"""Request lines, and what they ask for."""

import pytest

from imagedrift_sandbox.registry.routes import RouteKind, understand


@pytest.mark.parametrize(
    ("method", "path", "kind", "repository", "reference"),
    [
        ("GET", "/v2/", RouteKind.PING, "", ""),
        ("GET", "/v2", RouteKind.PING, "", ""),
        ("GET", "/token", RouteKind.TOKEN, "", ""),
        ("HEAD", "/v2/a/manifests/1", RouteKind.MANIFEST_HEAD, "a", "1"),
        ("GET", "/v2/a/b/c/manifests/sha256:00", RouteKind.MANIFEST_GET, "a/b/c", "sha256:00"),
        (
            "PUT",
            "/v2/manifests/manifests/manifests/1",
            RouteKind.MANIFEST_PUT,
            "manifests/manifests",
            "1",
        ),
        ("DELETE", "/v2/a/manifests/1", RouteKind.MANIFEST_DELETE, "a", "1"),
        ("GET", "/v2/a/b/blobs/sha256:00", RouteKind.BLOB_GET, "a/b", "sha256:00"),
        ("POST", "/v2/a/b/blobs/uploads/", RouteKind.UPLOAD, "a/b", ""),
        ("PATCH", "/v2/a/b/blobs/uploads/77", RouteKind.UPLOAD, "a/b", "77"),
        ("GET", "/v2/a/tags/list", RouteKind.TAGS, "a", ""),
        ("GET", "/v2/_catalog", RouteKind.CATALOG, "", ""),
        ("GET", "/favicon.ico", RouteKind.OTHER, "", ""),
    ],
)
def test_a_request_line_is_understood(
    method: str, path: str, kind: RouteKind, repository: str, reference: str
) -> None:
    """Kind, repository and reference are read from method and path."""
    route = understand(method, path)

    assert (route.kind, route.repository, route.reference) == (kind, repository, reference)
