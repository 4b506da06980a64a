"""Whether the newer versions of a reference are another image than the hosts' own.

A step is `patch`, `minor` or `major`. Its candidate, the newest tag of it, turns out to be:

| the registry says of the candidate                | the reference's image        | state        |
|---------------------------------------------------|------------------------------|--------------|
| nothing yet                                       | any                          | `unresolved` |
| nothing but failures                              | any                          | `failed`     |
| there is no such tag                              | any                          | `missing`    |
| a digest                                          | has that digest              | `same_image` |
| a digest, not described                           | any                          | `unresolved` |
| a digest that cannot be described                 | any                          | `failed`     |
| a digest, described                               | not asked or described yet   | `unresolved` |
| the same manifest, for every platform in use      | described, or cannot be      | `same_image` |
| another manifest, for a platform in use           | described, or cannot be      | `newer`      |
| no manifest for any platform in use               | described, or cannot be      | `missing`    |

The image is the same only where it is so on each host: one that claims to have the candidate's
manifest hides it from no other. Which tags are candidates is decided in `standings`.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from imagedrift_ingest.core.platform_children import PlatformChildren
from imagedrift_schemas.v1 import Child

CandidateState: TypeAlias = Literal["unresolved", "newer", "same_image", "missing", "failed"]


class LocalImageSide(Struct, frozen=True):
    """An image that hosts have of a reference."""

    platform: str
    digests: frozenset[str]
    """Those of its manifest and of its indexes."""


class ResolvedSide(Struct, frozen=True, kw_only=True):
    """The last answer about a tag, and the content of its digest."""

    digest: str = ""
    gone: bool = False
    failed: bool = False
    children: tuple[Child, ...] | None = None
    """None: not described."""
    undescribable: bool = False

    @property
    def is_settled(self) -> bool:
        """Tell whether waiting brings no more of the digest's content."""
        if not self.digest:
            return self.gone or self.failed
        return self.children is not None or self.undescribable


def confirmed(
    reference: ResolvedSide, candidate: ResolvedSide, local: Sequence[LocalImageSide]
) -> CandidateState:
    """Compare a candidate with its reference: the table above."""
    if candidate.gone:
        return "missing"
    if not candidate.digest:
        return "failed" if candidate.failed else "unresolved"
    if candidate.digest == reference.digest:
        return "same_image"
    if candidate.children is None:
        return "failed" if candidate.undescribable else "unresolved"
    if not reference.is_settled:
        return "unresolved"
    own, theirs = PlatformChildren(reference.children or ()), PlatformChildren(candidate.children)
    offered = [
        child.digest in side.digests
        or candidate.digest in side.digests
        or child.digest == reference.digest
        or ((mine := own.child_for(side.platform)) is not None and child.digest == mine.digest)
        for side in local
        if (child := theirs.child_for(side.platform))
    ]
    if not offered:
        return _not_offered(candidate, local)
    return "same_image" if all(offered) else "newer"


def _not_offered(candidate: ResolvedSide, local: Sequence[LocalImageSide]) -> CandidateState:
    """Tell the state of a candidate that has no image for any platform in use."""
    if not candidate.children:
        return "failed"
    return "missing" if local else "unresolved"
