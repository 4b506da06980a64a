"""Manifests and indexes: what a body is, and what is inside it.

- Only bytes that hash to the digest they are known by are believed (GHSA-qv35-3gw6-8q4j).
- A document that could be read as an index and as a manifest is neither (CVE-2021-41190), and the
  media type inside must be the one it was sent under.
- Children that are attestations, or of no known platform, are no images and are left out.
- A document of more parts than any image has is not decoded: one of 4 MiB may have a million, which
  would hold up all other registries for a second.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"

ACCEPT: Final = f"{OCI_INDEX},{OCI_MANIFEST},{DOCKER_LIST},{DOCKER_MANIFEST}"
"""Always the same four: with fewer, a registry converts, or answers with another digest."""

MANIFEST_CAP: Final = 4 * 1024 * 1024
MOST_CHILDREN: Final = 2_000
MOST_PARTS: Final = {b"{": 50_000, b"[": 10_000, b",": 150_000}
"""Objects, lists and values: ten thousands of layers, or of children with annotations."""
_INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
_MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
_SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1+"
_ATTESTATION: Final = "vnd.docker.reference.type"


class Entry(Struct, frozen=True):
    """One child of an index: a manifest of a platform, or another index."""

    digest: str
    platform: Platform | None
    is_index: bool


class ImageIndex(Struct, frozen=True):
    """A list of manifests."""

    entries: tuple[Entry, ...]


class Manifest(Struct, frozen=True):
    """One platform's image."""

    config_digest: str
    config_size: int


class Strange(Struct, frozen=True):
    """Neither. `kind` tells whether it contradicts itself or is only nothing for us."""

    kind: Literal["invalid", "unsupported"]
    reason: str


ManifestContent: TypeAlias = ImageIndex | Manifest | Strange


def media_fault(media_type: str) -> str:
    """Return why an answer of this type can be no manifest of ours, or nothing."""
    if media_type.startswith(_SCHEMA_1):
        return "the registry has this image in the long abandoned schema 1 only"
    if media_type in ("text/html", "application/xhtml+xml"):
        return "the server answered with a web page, not as a registry"
    return ""


def read_manifest(body: bytes, media_type: str) -> ManifestContent:
    """Make sense of a body that was sent as `media_type`."""
    if fault := media_fault(media_type):
        return Strange("unsupported", fault)
    if any(body.count(mark) > most for mark, most in MOST_PARTS.items()):
        return Strange("invalid", "the document has more parts than any image")
    document = _document(body)
    if document is None:
        return Strange("invalid", "the body is no JSON document")
    inside = _text(document, "mediaType")
    known = _INDEXES | _MANIFESTS
    if media_type in known and inside in known and media_type != inside:
        return Strange("invalid", f"sent as {media_type}, but says that it is {inside}")
    has_children = isinstance(document.get("manifests"), list)
    has_config = isinstance(document.get("config"), dict)
    if has_children and (has_config or "layers" in document):
        return Strange("invalid", "the document is an index and a manifest at once")
    kind = inside if inside in known else media_type
    if has_children and kind not in _MANIFESTS:
        return ImageIndex(tuple(_entries(document["manifests"])))
    if has_config and kind not in _INDEXES:
        return _manifest(document["config"])
    if document.get("schemaVersion") == 1:
        return Strange("unsupported", media_fault(f"{_SCHEMA_1}json"))
    return Strange("unsupported", "the document is neither an index nor an image's manifest")


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _manifest(config: dict[str, Any]) -> Manifest | Strange:
    digest, size = _text(config, "digest"), config.get("size")
    if not is_digest(digest):
        return Strange("invalid", "the manifest names no configuration by digest")
    return Manifest(digest, size if isinstance(size, int) else 0)


def _entries(children: list[Any]) -> list[Entry]:
    found = (_entry(child) for child in children[:MOST_CHILDREN])
    return [entry for entry in found if entry]


def _entry(child: Any) -> Entry | None:
    if not isinstance(child, dict):
        return None
    digest = _text(child, "digest")
    if not is_digest(digest):
        return None
    annotations = child.get("annotations")
    if isinstance(annotations, dict) and annotations.get(_ATTESTATION):
        return None
    told = child.get("platform")
    platform = _platform(told) if isinstance(told, dict) else None
    if platform and platform.is_unknown:
        return None
    return Entry(digest, platform, _text(child, "mediaType") in _INDEXES)


def _platform(told: dict[str, Any]) -> Platform | None:
    parts = [told.get("os"), told.get("architecture"), told.get("variant", "")]
    if not all(isinstance(part, str) for part in parts):
        return None
    try:
        return Platform(*(str(part) for part in parts))
    except BadPlatform:
        return None
