"""Images that a file lists, for hosts without an engine's socket and for pipelines.

    list        one image a line:  reference[@digest] [digest or repo@digest] [platform]
                the repository beside a digest is the reference's own, in any spelling
                blank lines, and all after a `#` that begins a word, are passed over
    compose     a compose file: every service's `image`

A file that names no digest says nothing about what runs, so there is nothing to compare: such an
image is passed over and told as a remark that says where it stands, as is everything that cannot
be read.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_agent.core.image_facts import shown
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadPlatform, BadReference
from imagedrift_schemas.platform import Platform
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import LocalImage

_MARK = "\ufeff"
"""The byte-order mark that some editors put first."""
_COMMENT = re.compile(r"(^|\s)#.*")
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<how>:?[-?+])(?P<word>[^}]*))?\})"
)


class FileImages(Struct, frozen=True):
    """The images of a file, with a remark for each skipped entry that names its line."""

    images: tuple[LocalImage, ...]
    remarks: tuple[str, ...] = ()


class BadEntry(ValueError):
    """One entry of a file says nothing that we can compare; the message says why."""


def read_list(text: str) -> FileImages:
    """Read a list."""
    lines = (
        (f"line {n}", _COMMENT.sub("", line))
        for n, line in enumerate(text.removeprefix(_MARK).splitlines(), 1)
    )
    return _collect((where, _from_line, line.split()) for where, line in lines if line.strip())


def read_compose(document: Any, variables: Mapping[str, str], project: str) -> FileImages:
    """Read a parsed compose file; `variables` are those of the `.env` beside it."""
    if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
        return FileImages((), ("services: missing; this is no compose file",))
    project = str(document.get("name") or project)

    def from_service(item: tuple[str, Any]) -> LocalImage:
        return _from_service(project, item[0], item[1], variables)

    services = document["services"].items()
    return _collect((f"services.{name}", from_service, (str(name), it)) for name, it in services)


def read_variables(text: str) -> dict[str, str]:
    """Read the `.env` of a compose project."""
    found = {}
    for line in text.splitlines():
        key, mark, value = line.strip().removeprefix("export ").partition("=")
        if mark and not key.startswith("#"):
            found[key.strip()] = value.strip().strip("'\"")
    return found


def _collect(entries: Iterable[tuple[str, Callable[[Any], LocalImage], Any]]) -> FileImages:
    """Read every entry; one that cannot be read is remarked on. The same image is listed once."""
    images: dict[tuple[str, str, str], LocalImage] = {}
    remarks = []
    for where, read, entry in entries:
        try:
            image = read(entry)
        except (BadEntry, BadReference, BadPlatform) as error:
            remarks.append(f"{where}: {error}")
            continue
        key = (image.reference, image.image_id, image.platform)
        images[key] = _merged(images[key], image) if key in images else image
    return FileImages(tuple(images[key] for key in sorted(images)), tuple(remarks))


def _from_line(words: list[str]) -> LocalImage:
    reference = ImageReference.parse(words[0])
    digest, platform = reference.digest, ""
    for word in words[1:]:
        *_, last = word.split("@")
        if is_digest(last) or "://" in word:
            digest = _own_digest(word, reference)
        else:
            platform = str(Platform.parse(word))
    return _image(reference, digest, platform)


def _own_digest(word: str, reference: ImageReference) -> str:
    """Read a digest, bare or as Kubernetes says it: `docker-pullable://repository@digest`.

    An image that has two names is told by either of them (kubernetes/kubernetes#40062): a digest
    of another repository says nothing of this one. One without a repository is an image's id there.
    """
    scheme, _, name = word.rpartition("://")
    if is_digest(name):
        if scheme:
            raise BadEntry(f"{scheme}://: an image's id, and no digest of {reference.canonical}")
        return name
    named = ImageReference.parse(name)
    if (named.registry, named.repository) != (reference.registry, reference.repository):
        other = f"{named.registry}/{named.repository}"
        raise BadEntry(f"{reference.canonical}: the digest beside it is of {other}")
    if not is_digest(named.digest):
        raise BadEntry(f"{reference.canonical}: no digest in what stands beside it")
    return named.digest


def _from_service(
    project: str, name: str, service: Any, variables: Mapping[str, str]
) -> LocalImage:
    image = service.get("image") if isinstance(service, dict) else None
    if not isinstance(image, str):
        raise BadEntry("no image: it is built here")
    reference = ImageReference.parse(_interpolated(image, variables))
    platform = service.get("platform") or ""
    if not isinstance(platform, str):
        raise BadEntry("platform: not a text")
    found = _image(reference, reference.digest, str(Platform.parse(platform)) if platform else "")
    container = str(service.get("container_name") or name)
    return replace(found, containers=(shown(container),), services=(shown(f"{project}/{name}"),))


def _image(reference: ImageReference, digest: str, platform: str) -> LocalImage:
    if not digest:
        raise BadEntry(f"{reference.canonical}: no digest, so there is nothing to compare")
    return LocalImage(
        reference=reference.canonical,
        image_id=digest,
        repo_digests=(digest,),
        platform=platform or "linux/amd64",
    )


def _merged(one: LocalImage, other: LocalImage) -> LocalImage:
    return replace(
        one,
        containers=tuple(sorted({*one.containers, *other.containers})),
        services=tuple(sorted({*one.services, *other.services})),
    )


def _interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Put in variables as compose does: $A, ${A}, ${A:-default}, ${A:+other}, $$."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name, how, word = match["plain"] or match["name"], match["how"] or "", match["word"] or ""
        found = variables.get(name)
        is_set = bool(found) if how.startswith(":") else found is not None
        if how.endswith("+"):
            return word if is_set else ""
        if is_set:
            return found or ""
        if how.endswith("-"):
            return word
        raise BadEntry(f"variable {name} is not set in .env")

    return _VARIABLE.sub(value, text)
