"""Push notifications: which tags a registry says have moved.

| from                | recognised by                 | what names the image                    |
|---------------------|-------------------------------|-----------------------------------------|
| Docker distribution | `events`                      | `request.host`, and each `target`       |
| Docker Hub          | `push_data`                   | `repository.repo_name`, `push_data.tag` |
| GHCR                | `package`, `registry_package` | `namespace`, `name`, the version's tag  |
| Harbor              | `event_data`                  | `resource_url` and `tag` of resources   |
| Quay                | `docker_url`                  | `docker_url` and `updated_tags`         |

A notification is a hint, never an answer: it makes us ask, and what is asked decides. So a forged
one (by who knows the secret) costs a request and nothing else. What cannot be read is left out.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference

BODY_CAP: Final = 1024 * 1024
MOST_TAGS: Final = 1000


class Unreadable(ValueError):
    """The body is no notification of any kind that we know."""


def moved_tags(body: bytes) -> tuple[ImageReference, ...]:
    """Return the references that a notification is about. Raises `Unreadable`."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Unreadable("the body is no JSON document") from error
    if not isinstance(document, dict):
        raise Unreadable("the body is no JSON object")
    reader = next((read for mark, read in _READERS.items() if mark in document), None)
    if reader is None:
        raise Unreadable(f"none of {', '.join(_READERS)} is in the document")
    found: dict[str, ImageReference] = {}
    for text in reader(document):
        reference = _parsed(text)
        if reference and len(found) < MOST_TAGS:
            found[reference.canonical] = reference
    return tuple(found.values())


def _distribution(document: dict[str, Any]) -> Iterator[str]:
    for event in _list(document, "events"):
        target = _object(event, "target")
        if _text(event, "action") in ("push", "delete") and _text(target, "tag"):
            host = _text(_object(event, "request"), "host")
            yield f"{host}/{_text(target, 'repository')}:{_text(target, 'tag')}"


def _hub(document: dict[str, Any]) -> Iterator[str]:
    name = _text(_object(document, "repository"), "repo_name")
    yield f"docker.io/{name}:{_text(_object(document, 'push_data'), 'tag')}"


def _github(document: dict[str, Any]) -> Iterator[str]:
    package = _object(document, "registry_package") or _object(document, "package")
    if _text(package, "package_type").upper() not in ("", "CONTAINER"):
        return
    metadata = _object(_object(package, "package_version"), "container_metadata")
    name, namespace = _text(package, "name"), _text(package, "namespace")
    repository = f"{namespace}/{name}".lower()  # GitHub's names have capitals, its images' not
    yield f"ghcr.io/{repository}:{_text(_object(metadata, 'tag'), 'name')}"


def _harbor(document: dict[str, Any]) -> Iterator[str]:
    for resource in _list(_object(document, "event_data"), "resources"):
        url, tag = _text(resource, "resource_url"), _text(resource, "tag")
        if url and tag:
            yield f"{_without_tag(url)}:{tag}"


def _quay(document: dict[str, Any]) -> Iterator[str]:
    for tag in _list(document, "updated_tags"):
        if isinstance(tag, str):
            yield f"{_text(document, 'docker_url')}:{tag}"


_READERS: Final = {
    "events": _distribution,
    "push_data": _hub,
    "registry_package": _github,
    "package": _github,
    "event_data": _harbor,
    "docker_url": _quay,
}


def _parsed(text: str) -> ImageReference | None:
    try:
        reference = ImageReference.parse(text)
    except BadReference:
        return None
    return reference if reference.tag and not reference.digest else None


def _without_tag(url: str) -> str:
    """Cut the text after the repository: `host:80/a/b:1` and `host/a/b@sha256:…`."""
    head, slash, last = url.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _object(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _list(value: Any, key: str) -> list[Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def _text(value: Any, key: str) -> str:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, str) else ""
