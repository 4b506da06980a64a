"""Base images: which reference a label's base is asked as, and whether it was replaced.

| the label names its base                     | it is asked as                    |
|----------------------------------------------|-----------------------------------|
| without a registry, as `alpine:3`            | nothing: `short_name` (P2)        |
| by its digest alone                          | nothing: `by_digest`              |
| by no reference at all                       | nothing: `bad_name`               |
| with a registry, with a digest or without    | its tag; `latest` where it has none |

| the tag points to                          | state                                         |
|--------------------------------------------|-----------------------------------------------|
| the base's digest                          | `same_image`                                  |
| an index with the base's digest as a child | `same_image`                                  |
| another digest                             | that of a candidate (`newer`): the base is in |
|                                            | the place of the reference                    |

Rules:
- A digest may be that of an index or of one platform's manifest: builders write either.
- Whether a base was replaced is a fact beside the verdict, and never part of it.
"""

from typing import Literal, TypeAlias

from imagedrift_ingest.core.newer import CandidateState, LocalImageSide, ResolvedSide, confirmed
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference

NotAsked: TypeAlias = Literal["short_name", "by_digest", "bad_name", "quota"]


def reference_of(name: str) -> tuple[str, NotAsked | None]:
    """Return the canonical reference that a base is asked as; else empty, and why it is not."""
    first, slash, _ = name.partition("/")
    if not slash or not _is_registry(first):
        return "", "short_name"
    try:
        parsed = ImageReference.parse(name)
    except BadReference:
        return "", "bad_name"
    return ("", "by_digest") if parsed.is_pinned else (parsed.canonical, None)


def _is_registry(text: str) -> bool:
    """Tell whether the first part of a name can only be a registry."""
    return "." in text or ":" in text or text == "localhost"


def state_of(base: ResolvedSide, tag: ResolvedSide, platform: str) -> CandidateState:
    """Compare a tag's present digest with the base that images were built on: the table above."""
    if any(child.digest == base.digest for child in tag.children or ()):
        return "same_image"
    return confirmed(base, tag, [LocalImageSide(platform, frozenset())])
