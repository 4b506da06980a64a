"""The conversation behind a `Describe`: which manifests a digest holds, and what they say.

Rules:
- An index is listed whole: every manifest in it, those of indexes inside it included. An index
  that is not looked into, for depth or number, is listed as `nested`: it may hold anything.
- A child's configuration digest is what a classic engine shows as the image id. It costs a
  request, so children are read until each image id that was asked for is found: first those of
  the platforms that hosts name, then those without a platform, then other variants of the same
  architecture, then the rest, as an image may claim another platform than its index does.
- The rest is read to be certain, and never from the last half of a limit (`spare`).
- A child that cannot be read costs itself: the others are told, and the failure beside them.
- A configuration itself is fetched only for the facts in it, of the platforms that the question
  names in `facts_of`, and never from the last half of a limit. One that cannot be read leaves out
  the facts, and nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from imagedrift_resolver.core.content_reader import ContentReader
from imagedrift_resolver.core.conversation import Conversation, RegistryProfile
from imagedrift_resolver.core.manifest import MOST_CHILDREN, ImageIndex, Manifest
from imagedrift_resolver.core.site import Site
from imagedrift_schemas.constraints import MOST_FACTS_OF, MOST_PLATFORMS
from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.v1 import (
    Child,
    Describe,
    Failure,
    Limited,
    Refused,
    Unreachable,
    Unsupported,
)

DEEPEST: Final = 3
MOST_NESTED: Final = 16
MOST_READ: Final = 64
"""Configuration digests that one question may read."""
NAMED, WITHOUT_PLATFORM, KIN, OTHER = range(4)
"""How likely a child is the image that a host has; reading `OTHER` ones buys certainty."""
Children = tuple[Child, ...]


class Description(Struct, frozen=True):
    """The children of a digest, as far as they are known, and the fault of the others."""

    children: Children = ()
    failure: Failure | None = None


def describe(
    site: Site,
    profile: RegistryProfile,
    question: Describe,
    known: Children,
    now: datetime,
) -> Conversation[Description]:
    """Find out which manifests a digest holds, and the configurations of those looked for.

    `known` is what an earlier description told: what it has read is not read again.
    """
    if known and question.facts_of and not (question.platforms or question.image_ids):
        found = Description(known)  # only facts are asked for: it was listed before
    else:
        found, profile = yield from _children_of(site, profile, question, known, now)
    look = ContentReader(site, question.repository, now, spare=True)
    children, profile = yield from _with_facts(look, profile, question, found.children)
    return replace(found, children=children), profile


def _children_of(
    site: Site,
    profile: RegistryProfile,
    question: Describe,
    known: Children,
    now: datetime,
) -> Conversation[Description]:
    """Find out which manifests a digest holds; the facts in them are those that are known."""
    read = {child.digest: child for child in known}
    look = ContentReader(site, question.repository, now, spare=bool(known))
    content, profile = yield from look.content(profile, question.digest)
    match content:
        case Manifest(config_digest):
            only = Child(platform="", digest=question.digest, config_digest=config_digest)
            return Description((_as_read(only, read),)), profile
        case ImageIndex():
            listed, profile = yield from _flat(look, profile, question.digest, content)
            if not isinstance(listed, tuple):
                return Description(failure=listed), profile
            children = [_as_read(child, read) for child in listed]
            return (yield from _configured(look, profile, question, children))
        case _:
            return Description(failure=content), profile


def _flat(
    look: ContentReader, profile: RegistryProfile, digest: str, index: ImageIndex
) -> Conversation[Children | Failure]:
    """List an index's manifests, those of the indexes inside it included, each once.

    No more than one index may have: a description has to fit into a message.
    """
    found: dict[str, Child] = {}
    todo, seen = [(1, entry) for entry in index.entries], set[str]()
    while todo and len(found) < MOST_CHILDREN:
        depth, entry = todo.pop(0)
        platform = str(entry.platform or "")
        if not entry.is_index:
            found.setdefault(entry.digest, Child(platform=platform, digest=entry.digest))
            continue
        if entry.digest in seen:
            continue
        if depth > DEEPEST or len(seen) >= MOST_NESTED:
            unread = Child(platform=platform, digest=entry.digest, nested=True)
            found.setdefault(entry.digest, unread)
            continue
        seen.add(entry.digest)
        inner, profile = yield from look.content(profile, entry.digest)
        if isinstance(inner, ImageIndex):
            todo += [(depth + 1, e) for e in inner.entries]
        elif not isinstance(inner, Manifest):
            return inner, profile
    if todo or len(index.entries) >= MOST_CHILDREN:
        found[digest] = Child(platform="", digest=digest, nested=True)
    return tuple(found.values()), profile


def _configured(
    look: ContentReader, profile: RegistryProfile, question: Describe, children: list[Child]
) -> Conversation[Description]:
    """Read configuration digests, the likeliest first, until all wanted images are found."""
    failure: Failure | None = None
    no_images: set[str] = set()
    for rank, position in _order(children, question)[:MOST_READ]:
        if _is_found(question.image_ids, children):
            break
        child, certainty = children[position], rank == OTHER
        content, profile = yield from look.content(profile, child.digest, spare=certainty)
        match content:
            case Manifest(config_digest):
                children[position] = replace(child, config_digest=config_digest)
            case ImageIndex():
                children[position] = replace(child, nested=True)
            case Unsupported():
                no_images.add(child.digest)
            case Limited() if certainty:
                break
            case _:
                failure = failure or content
                if isinstance(content, Limited | Refused | Unreachable):
                    break
    kept = tuple(child for child in children if child.digest not in no_images)
    return Description(kept, failure), profile


def _with_facts(
    look: ContentReader, profile: RegistryProfile, question: Describe, listed: Children
) -> Conversation[Children]:
    """Read the facts of the platforms that are asked for, as far as that is possible now."""
    children = list(listed)
    for position in lacking_facts(children, question.facts_of):
        child = children[position]
        if not child.config_digest:
            content, profile = yield from look.content(profile, child.digest)
            if not isinstance(content, Manifest):
                continue
            child = replace(child, config_digest=content.config_digest)
        facts, profile = yield from look.facts(profile, child.config_digest)
        children[position] = child if facts is None else replace(child, facts=facts)
    return tuple(children), profile


def lacking_facts(children: Sequence[Child], facts_of: Sequence[str]) -> list[int]:
    """Return the positions of the children whose facts are asked for and not known."""
    alone = len(children) == 1 and not children[0].platform
    offered = [_platform(child.platform) for child in children]
    wanted = [there for text in facts_of[:MOST_FACTS_OF] if (there := _platform(text))]
    exact = {best for each in wanted if (best := _best(each, offered))}
    return [
        position
        for position, child in enumerate(children)
        if child.facts is UNSET
        and child.nested is not True
        and (offered[position] in exact or (alone and wanted))
    ][:MOST_FACTS_OF]


def _as_read(child: Child, read: Mapping[str, Child]) -> Child:
    """Add to a child the facts that an earlier description has read of it."""
    known = read.get(child.digest)
    if known is None:
        return child
    return replace(
        child, config_digest=known.config_digest or child.config_digest, facts=known.facts
    )


def _is_found(image_ids: Sequence[str], children: Sequence[Child]) -> bool:
    """Tell whether every image id is that of a child. Who looks for none has the platforms read."""
    return bool(image_ids) and {*image_ids} <= {child.config_digest for child in children}


def _order(children: Sequence[Child], question: Describe) -> list[tuple[int, int]]:
    """Return (rank, position) of the children to read, the likeliest first."""
    offered = [_platform(child.platform) for child in children]
    named = question.platforms[:MOST_PLATFORMS]
    wanted = [there for text in named if (there := _platform(text))]
    exact = {_best(each, offered) for each in wanted}
    ranked = sorted(
        (_rank(there, wanted, exact), position)
        for position, there in enumerate(offered)
        if not children[position].config_digest and children[position].nested is not True
    )
    return ranked if question.image_ids else [each for each in ranked if each[0] == NAMED]


def _rank(there: Platform | None, wanted: Sequence[Platform], exact: set[Platform | None]) -> int:
    if there is None:
        return WITHOUT_PLATFORM
    if there in exact:
        return NAMED
    kin = {(each.os, each.architecture) for each in wanted}
    return KIN if (there.os, there.architecture) in kin else OTHER


def _best(wanted: Platform, offered: Sequence[Platform | None]) -> Platform | None:
    """Return the platform that the wanted one would run, if one is offered."""
    known = [there for there in offered if there]
    chosen = best(wanted, known)
    return None if chosen is None else known[chosen]


def _platform(text: str) -> Platform | None:
    try:
        return Platform.parse(text)
    except BadPlatform:
        return None
