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

Which tags are candidates is decided in `standings`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from msgspec import Struct

from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.v1 import Child

CandidateState: TypeAlias = Literal["unresolved", "newer", "same_image", "missing", "failed"]


class LocalImageSide(Struct, frozen=True):
    """The images that hosts have of a reference, for one platform."""

    platform: str
    digests: frozenset[str]
    """Those of their manifests and of their indexes."""


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
    offered = [
        child.digest in _own(reference, side) or candidate.digest in side.digests
        for side in local
        if (child := _child_for(side.platform, candidate.children))
    ]
    if not offered:
        return _not_offered(candidate, local)
    return "same_image" if all(offered) else "newer"


def _not_offered(candidate: ResolvedSide, local: Sequence[LocalImageSide]) -> CandidateState:
    """Tell the state of a candidate that has no image for any platform in use."""
    if not candidate.children:
        return "failed"
    return "missing" if local else "unresolved"


def _own(reference: ResolvedSide, side: LocalImageSide) -> frozenset[str]:
    """Return the digests of the reference's image for a platform, at its registry and on hosts."""
    child = _child_for(side.platform, reference.children or ())
    remote = {reference.digest, child.digest if child else ""} - {""}
    return side.digests | remote


def _child_for(platform: str, children: Sequence[Child]) -> Child | None:
    """Choose the child that a host of this platform would run."""
    wanted = _platform(platform)
    offered = [(child, _platform(child.platform)) for child in children]
    unnamed = [child for child, there in offered if there is None]
    named = [(child, there) for child, there in offered if there and not there.is_unknown]
    chosen = best(wanted, [there for _, there in named]) if wanted else None
    if chosen is not None:
        return named[chosen][0]
    return unnamed[0] if unnamed else None


@lru_cache(maxsize=1024)  # a fleet has few, and each candidate of a repository has them all
def _platform(text: str) -> Platform | None:
    try:
        return Platform.parse(text)
    except BadPlatform:
        return None
