"""The reading half of the distribution API: manifests, blobs, tags."""

import json
import re

from aiohttp import web

from imagedrift_sandbox.registry.replies import API_VERSION, empty, json_reply, oci_error
from imagedrift_sandbox.registry.routes import RegistryRoute, RouteKind
from imagedrift_sandbox.registry.store import OCI_INDEX, RegistryContent, StoredManifest
from imagedrift_sandbox.registry.tag_pages import TagPaging, huge_body, tag_page

RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def read(
    store: RegistryContent,
    route: RegistryRoute,
    request: web.BaseRequest,
    *,
    negotiate: bool,
    paging: TagPaging = TagPaging.PLAIN,
) -> web.Response:
    """Answer a request that changes nothing."""
    match route.kind:
        case RouteKind.PING:
            return json_reply({}, headers=API_VERSION)
        case RouteKind.MANIFEST_HEAD | RouteKind.MANIFEST_GET:
            return _manifest(store, route, accept_of(request) if negotiate else "")
        case RouteKind.BLOB_HEAD | RouteKind.BLOB_GET:
            return _blob(store, route, request)
        case RouteKind.TAGS:
            return _tags(store, route, request, paging)
        case RouteKind.CATALOG:
            return json_reply({"repositories": sorted(store.repositories)})
        case _:
            return oci_error(404, "UNSUPPORTED", f"no such endpoint: {route.path}")


def accept_of(request: web.BaseRequest) -> str:
    """Read the media types that the client accepts, which may stand in several headers."""
    return ",".join(request.headers.getall("Accept", ()))


def _manifest(store: RegistryContent, route: RegistryRoute, accept: str) -> web.Response:
    manifest = store.find(route.repository, route.reference)
    if manifest is None:
        known = route.repository in store.repositories
        code = "MANIFEST_UNKNOWN" if known else "NAME_UNKNOWN"
        return oci_error(404, code, f"{route.repository}:{route.reference} is unknown")
    if not _accepted(manifest, accept):
        return oci_error(404, "MANIFEST_UNKNOWN", _not_accepted(manifest))
    headers = {
        "Content-Type": manifest.media_type,
        "Docker-Content-Digest": manifest.digest,
        "ETag": f'"{manifest.digest}"',
        "Docker-Distribution-Api-Version": "registry/2.0",
    }
    return web.Response(body=manifest.body, headers=headers)


def _accepted(manifest: StoredManifest, accept: str) -> bool:
    """Whether the client can read this media type; a client that says nothing reads all."""
    if not accept:
        return True
    offered = {each.partition(";")[0].strip().lower() for each in accept.split(",")}
    return manifest.media_type in offered or "*/*" in offered


def _not_accepted(manifest: StoredManifest) -> str:
    what = "OCI index" if manifest.media_type == OCI_INDEX else manifest.media_type
    return f"{what} found, but accept header does not support it"


def _blob(store: RegistryContent, route: RegistryRoute, request: web.BaseRequest) -> web.Response:
    data = store.blob(route.repository, route.reference)
    if data is None:
        return oci_error(404, "BLOB_UNKNOWN", f"{route.reference} is unknown")
    headers = {
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": route.reference,
        "Accept-Ranges": "bytes",
    }
    asked = RANGE.fullmatch(request.headers.get("Range", ""))
    if asked is None:
        return web.Response(body=data, headers=headers)
    first, last = int(asked[1]), int(asked[2] or len(data) - 1)
    if first >= len(data):
        return empty(416, {"Content-Range": f"bytes */{len(data)}"})
    part = data[first : last + 1]
    headers["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
    return web.Response(body=part, status=206, headers=headers)


def _tags(
    store: RegistryContent, route: RegistryRoute, request: web.BaseRequest, paging: TagPaging
) -> web.Response:
    repository = store.repositories.get(route.repository)
    if repository is None:
        return oci_error(404, "NAME_UNKNOWN", f"{route.repository} is unknown")
    if paging is TagPaging.HUGE:
        return web.Response(body=huge_body(), content_type="application/json")
    url = f"http://{request.host}"
    page = tag_page(paging, [*repository.tags], url, route.path, request.query)
    headers = {"Link": page.link} if page.link else {}
    return json_reply({"name": route.repository, "tags": page.names}, headers=headers)


def document_of(body: bytes) -> dict[str, object] | None:
    """A manifest's JSON object, or None when the bytes are something else."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
