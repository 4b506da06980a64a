"""Newer versions of a reference: which tags of a list they are, and whether they are another image.

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

Rules:
- Of a list that is not whole, or failed, nobody learns that nothing is newer (P11): `is_whole` is
  false then, and so it is for a track that lacks names.
- At most `MOST_CANDIDATES` tags of a repository are resolved, those of most hosts first. A
  reference beyond has no steps, and is not whole.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.tags.newer import newer_versions
from imagedrift_schemas.tags.version import Track, Version, read
from imagedrift_schemas.v1 import Child, TagTrack

Step: TypeAlias = Literal["patch", "minor", "major"]
State: TypeAlias = Literal["unresolved", "newer", "same_image", "missing", "failed"]

MOST_CANDIDATES: Final = 600


class VersionStanding(Struct, frozen=True):
    """How a reference stands in the list of its repository."""

    candidates: dict[Step, str] = {}
    """The newest tag of each step that has one."""
    is_whole: bool = False
    """Whether a step without a candidate has none; else it is not known."""
    behind: int | None = None
    """How many newer versions were seen; None when none was and some may be there."""


UNKNOWN: Final = VersionStanding()


class TrackIndex:
    """The tracks of one list, found by the track of a version; each is read when it is needed.

    Reading a name takes 25 microseconds, and a list has some thousand names.
    """

    def __init__(self, tracks: Sequence[TagTrack], *, cut: bool, is_complete: bool) -> None:
        self._is_complete = is_complete
        self._knows_others = is_complete and not cut
        self._tracks: dict[Track, TagTrack] = {}
        self._read: dict[Track, list[Version]] = {}
        for track in tracks:
            first = read(track.names[0]) if track.names else None
            if first:
                self._tracks[first.track] = track

    def standing(self, version: Version) -> VersionStanding:
        """Tell how a version stands in the list."""
        track = self._tracks.get(version.track)
        if track is None:
            return VersionStanding(is_whole=True, behind=0) if self._knows_others else UNKNOWN
        is_whole = track.whole and self._is_complete
        found = newer_versions(version, self._versions(version.track, track), is_whole=is_whole)
        steps: dict[Step, object] = {
            "patch": found.patch,
            "minor": found.minor,
            "major": found.major,
        }
        return VersionStanding(
            {step: tag for step, tag in steps.items() if isinstance(tag, str)},
            is_whole,
            found.behind if is_whole or found.behind else None,
        )

    def _versions(self, of: Track, track: TagTrack) -> list[Version]:
        if of not in self._read:
            versions = (read(name) for name in track.names)
            self._read[of] = [version for version in versions if version]
        return self._read[of]


def standings(
    tags: Iterable[str], index: TrackIndex, most: int = MOST_CANDIDATES
) -> dict[str, VersionStanding]:
    """Tell how tags stand, those of most hosts first; only so many candidates are named."""
    found: dict[str, VersionStanding] = {}
    candidates: set[str] = set()
    for tag in tags:
        version = read(tag)
        standing = index.standing(version) if version else UNKNOWN
        named = candidates | set(standing.candidates.values())
        if len(named) > most:
            found[tag] = VersionStanding(behind=standing.behind or None)
            continue
        candidates = named
        found[tag] = standing
    return found


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
) -> State:
    """Tell what a candidate is to a reference: the table above."""
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


def _not_offered(candidate: ResolvedSide, local: Sequence[LocalImageSide]) -> State:
    """Tell what a candidate is that has no image for any platform in use."""
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


def _platform(text: str) -> Platform | None:
    try:
        return Platform.parse(text)
    except BadPlatform:
        return None
