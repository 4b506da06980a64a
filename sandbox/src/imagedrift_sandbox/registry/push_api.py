"""The writing half of the distribution API: uploads of blobs, manifests, deletions.

Uploads are kept in memory until they are finished; a client that goes away leaves its upload
until the registry stops, which is fine for a sandbox.
"""

import re
import uuid

from aiohttp import web

from imagedrift_sandbox.registry.pull_api import document_of
from imagedrift_sandbox.registry.replies import empty, oci_error
from imagedrift_sandbox.registry.routes import RegistryRoute, RouteKind
from imagedrift_sandbox.registry.store import RegistryContent, digest_of

MANIFEST_CAP = 4 * 1024 * 1024
NAME = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CONTENT_RANGE = re.compile(r"(?:bytes )?(\d+)-(\d+)")


class Uploads:
    """Writes to a store, and the uploads under way."""

    def __init__(self, store: RegistryContent) -> None:
        self._store = store
        self._open: dict[str, bytearray] = {}

    async def write(self, route: RegistryRoute, request: web.BaseRequest) -> web.Response:
        """Answer a request that changes something."""
        if not NAME.fullmatch(route.repository):
            return oci_error(400, "NAME_INVALID", f"{route.repository!r} is no repository name")
        if route.kind is RouteKind.MANIFEST_PUT:
            return await self._put_manifest(route, request)
        if route.kind is RouteKind.MANIFEST_DELETE:
            found = self._store.delete(route.repository, route.reference)
            return empty(202) if found else oci_error(404, "MANIFEST_UNKNOWN", "nothing to delete")
        if route.method == "POST":
            return await self._begin(route, request)
        if route.reference not in self._open:
            return oci_error(404, "BLOB_UPLOAD_UNKNOWN", f"no upload {route.reference!r}")
        return await self._continue(route, request)

    async def _begin(self, route: RegistryRoute, request: web.BaseRequest) -> web.Response:
        """Mount, take a whole blob at once, or open an upload."""
        digest = request.query.get("mount")
        if digest is not None and self._store.mount(route.repository, digest):
            return self._created(route, digest)
        identifier = uuid.uuid4().hex
        self._open[identifier] = bytearray()
        if "digest" in request.query:
            await self._receive(identifier, request)
            return self._finish(route, identifier, request.query["digest"])
        return self._progress(route, identifier, 202)

    async def _continue(self, route: RegistryRoute, request: web.BaseRequest) -> web.Response:
        match request.method:
            case "GET":
                return self._progress(route, route.reference, 204)
            case "DELETE":
                del self._open[route.reference]
                return empty(204)
            case "PATCH" | "PUT":
                if not self._in_order(route.reference, request):
                    return self._progress(route, route.reference, 416)
                await self._receive(route.reference, request)
                if request.method == "PATCH":
                    return self._progress(route, route.reference, 202)
                return self._finish(route, route.reference, request.query.get("digest", ""))
            case _:
                return oci_error(405, "UNSUPPORTED", f"{request.method} on an upload")

    def _in_order(self, identifier: str, request: web.BaseRequest) -> bool:
        """Whether a chunk starts where the last one ended."""
        told = CONTENT_RANGE.fullmatch(request.headers.get("Content-Range", ""))
        return told is None or int(told[1]) == len(self._open[identifier])

    async def _receive(self, identifier: str, request: web.BaseRequest) -> None:
        async for chunk in request.content.iter_any():
            self._open[identifier].extend(chunk)

    def _finish(self, route: RegistryRoute, identifier: str, digest: str) -> web.Response:
        data = bytes(self._open.pop(identifier))
        if digest != digest_of(data):
            return oci_error(400, "DIGEST_INVALID", "the content has another sha256 digest")
        self._store.put_blob(route.repository, data)
        return self._created(route, digest)

    def _created(self, route: RegistryRoute, digest: str) -> web.Response:
        where = f"/v2/{route.repository}/blobs/{digest}"
        return empty(201, {"Location": where, "Docker-Content-Digest": digest})

    def _progress(self, route: RegistryRoute, identifier: str, status: int) -> web.Response:
        received = len(self._open[identifier])
        return empty(
            status,
            {
                "Location": f"/v2/{route.repository}/blobs/uploads/{identifier}",
                "Range": f"0-{max(0, received - 1)}",
                "Docker-Upload-UUID": identifier,
            },
        )

    async def _put_manifest(self, route: RegistryRoute, request: web.BaseRequest) -> web.Response:
        body = await request.content.read(MANIFEST_CAP + 1)
        while chunk := await request.content.read(MANIFEST_CAP + 1 - len(body)):
            body += chunk
        if len(body) > MANIFEST_CAP:
            return oci_error(413, "SIZE_INVALID", f"a manifest has at most {MANIFEST_CAP} bytes")
        if DIGEST.fullmatch(route.reference):
            if route.reference != digest_of(body):
                return oci_error(400, "DIGEST_INVALID", "the manifest has another digest")
        elif not TAG.fullmatch(route.reference):
            return oci_error(400, "TAG_INVALID", f"{route.reference!r} is no tag")
        return self._keep_manifest(route, request.headers.get("Content-Type", ""), body)

    def _keep_manifest(self, route: RegistryRoute, content_type: str, body: bytes) -> web.Response:
        document = document_of(body)
        if document is None:
            return oci_error(400, "MANIFEST_INVALID", "the manifest is no JSON object")
        media_type = content_type.partition(";")[0].strip()
        if document.get("mediaType", media_type) != media_type:
            return oci_error(400, "MANIFEST_INVALID", "Content-Type is not the mediaType inside")
        if missing := self._store.missing_parts(route.repository, document):
            return oci_error(400, "MANIFEST_BLOB_UNKNOWN", f"not here: {', '.join(missing)}")
        kept = self._store.put_manifest(route.repository, route.reference, media_type, body)
        where = f"/v2/{route.repository}/manifests/{kept.digest}"
        return empty(201, {"Location": where, "Docker-Content-Digest": kept.digest})
