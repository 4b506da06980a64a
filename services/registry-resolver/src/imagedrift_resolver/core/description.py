"""What is inside a digest: the conversation behind a `Describe`.

An index has one child per platform; an index inside an index is looked into, `DEEPEST` deep. A
child's configuration digest is what a classic engine shows as the image id; it costs a request,
so it is read for the platforms that were asked for and for no other.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from imagedrift_resolver.core import answer
from imagedrift_resolver.core.conversation import Conversation, Manners, fetch
from imagedrift_resolver.core.manifest import (
    MANIFEST_CAP,
    MOST_CHILDREN,
    Entry,
    Index,
    Manifest,
    Strange,
    read_manifest,
    read_platform,
)
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_schemas.digest import parse_digest, verify
from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.v1 import Child, Failure, Found, Invalid

DEEPEST: Final = 3
MOST_NESTED: Final = 16
Children = tuple[Child, ...]


def describe(
    site: Site,
    manners: Manners,
    repository: str,
    digest: str,
    platforms: tuple[str, ...],
    now: datetime,
) -> Conversation[Children | Failure]:
    """Find out which platforms a digest holds, and the configurations of those asked for."""
    content, manners = yield from _content(site, manners, repository, digest, now)
    match content:
        case Manifest():
            return (yield from _single(site, manners, repository, digest, content, now))
        case Index():
            entries, manners = yield from _flat(site, manners, repository, content, now)
            if not isinstance(entries, tuple):
                return entries, manners
            return (yield from _configured(site, manners, repository, entries, platforms, now))
        case _:
            return content, manners


def _content(
    site: Site, manners: Manners, repository: str, digest: str, now: datetime
) -> Conversation[Index | Manifest | Failure]:
    """Get a manifest or an index by its digest, and make sure that it is the one."""
    url = site.url(repository, "manifests", digest)
    reply, manners = yield from fetch(site, manners, "GET", url, MANIFEST_CAP)
    if not isinstance(reply, Reply):
        return reply, manners
    outcome = answer.of_get(reply, now, digest)
    if not isinstance(outcome, Found):
        return outcome, manners
    content = read_manifest(reply.body, reply.media_type)
    if isinstance(content, Strange):
        return Invalid(reason=content.reason), manners
    return content, manners


def _single(
    site: Site, manners: Manners, repository: str, digest: str, manifest: Manifest, now: datetime
) -> Conversation[Children | Failure]:
    """Describe an image of one platform, which only its configuration names."""
    url = site.url(repository, "blobs", manifest.config_digest)
    reply, manners = yield from fetch(site, manners, "GET", url, MANIFEST_CAP)
    if not isinstance(reply, Reply):
        return reply, manners
    if reply.status != 200:
        failed = answer.failure(reply, now)
        return replace(failed, reason=f"the image's configuration: {failed.reason}"), manners
    if reply.cut:
        return Invalid(reason="the image's configuration ended early, or is too large"), manners
    if not verify(parse_digest(manifest.config_digest), reply.body):
        return Invalid(reason="the image's configuration does not hash to its digest"), manners
    platform = read_platform(reply.body)
    if platform is None:
        return Invalid(reason="the image's configuration names no platform"), manners
    child = Child(platform=str(platform), digest=digest, config_digest=manifest.config_digest)
    return (child,), manners


def _flat(
    site: Site, manners: Manners, repository: str, index: Index, now: datetime
) -> Conversation[tuple[Entry, ...] | Failure]:
    """List an index's manifests, those of the indexes inside it included, each once.

    No more than one index may have: a description has to fit into a message.
    """
    found: dict[str, Entry] = {}
    todo, seen = [(1, entry) for entry in index.entries], set[str]()
    while todo and len(found) < MOST_CHILDREN:
        depth, entry = todo.pop(0)
        if not entry.is_index:
            found.setdefault(entry.digest, entry)
            continue
        if entry.digest in seen or depth > DEEPEST or len(seen) >= MOST_NESTED:
            continue
        seen.add(entry.digest)
        inner, manners = yield from _content(site, manners, repository, entry.digest, now)
        if isinstance(inner, Index):
            todo += [(depth + 1, e) for e in inner.entries]
        elif not isinstance(inner, Manifest):
            return inner, manners
    return tuple(found.values()), manners


def _configured(
    site: Site,
    manners: Manners,
    repository: str,
    entries: tuple[Entry, ...],
    platforms: tuple[str, ...],
    now: datetime,
) -> Conversation[Children | Failure]:
    """Make children of an index's entries, with configurations where they are asked for."""
    known = [(e.platform, Child(platform=str(e.platform), digest=e.digest)) for e in entries]
    children = [child for platform, child in known if platform]
    offered = [platform for platform, _ in known if platform]
    for position in _chosen(offered, platforms):
        content, manners = yield from _content(
            site, manners, repository, children[position].digest, now
        )
        if not isinstance(content, Manifest):
            failed = Invalid(reason="an index where a manifest was announced")
            return (failed if isinstance(content, Index) else content), manners
        children[position] = replace(children[position], config_digest=content.config_digest)
    return tuple(children), manners


def _chosen(offered: list[Platform], platforms: tuple[str, ...]) -> list[int]:
    """Return the positions of the children that the asked-for platforms would run."""
    chosen: dict[int, None] = {}
    for text in platforms:
        try:
            position = best(Platform.parse(text), offered)
        except BadPlatform:
            continue
        if position is not None:
            chosen[position] = None
    return list(chosen)
