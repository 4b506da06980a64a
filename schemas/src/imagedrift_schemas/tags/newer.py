"""Finds newer versions among the names of a tag list.

Of a list that is not whole nobody learns that nothing is newer (P11): a step is UNSET then, unless
a newer tag was seen.
"""

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from imagedrift_schemas.tags.version import Version, read
from imagedrift_schemas.v1 import TagTrack

Newest: TypeAlias = str | UnsetType | None
"""The newest tag of a step; None where there is none; UNSET where that is not known."""


class Newer(Struct, frozen=True):
    """The newer versions of a version's track."""

    patch: Newest = None
    """The newest of the same major and minor part."""
    minor: Newest = None
    """The newest of the same major part and a higher minor one."""
    major: Newest = None
    """The newest of a higher major part."""
    behind: int = 0
    """How many newer versions were seen: at least so many where names were left out."""


class KeptTags(Protocol):
    """The kept part of a tag list, as `Listed` has it."""

    @property
    def tracks(self) -> tuple[TagTrack, ...]:
        """Return the tracks that are kept."""

    @property
    def cut(self) -> bool:
        """Tell whether tracks were left out: one that is not here may exist."""

    @property
    def truncated(self) -> str:
        """Tell why the list was not read to its end; empty when it was."""


def newer_in(kept: KeptTags, version: Version) -> Newer:
    """Find what is newer than a version by what was kept; UNSET where that cannot be known."""
    for track in kept.tracks:
        first = read(track.names[0]) if track.names else None
        if first and first.track == version.track:
            is_whole = track.whole and not kept.truncated
            return newer(version, track.names, is_whole=is_whole)
    return newer_versions(version, (), is_whole=not kept.cut and not kept.truncated)


def newer(version: Version, names: Iterable[str], *, is_whole: bool) -> Newer:
    """Find what is newer than a version among names; pre-releases count for a pre-release alone."""
    versions = (read(name) for name in names)
    return newer_versions(version, (each for each in versions if each), is_whole=is_whole)


def newer_versions(version: Version, others: Iterable[Version], *, is_whole: bool) -> Newer:
    """Find what is newer than a version among versions. `is_whole`: no name of the track lacks."""
    seen = [other for other in others if _is_candidate(version, other)]
    steps: dict[str, Version] = {}
    for other in seen:
        step = _step(version, other)
        steps[step] = max(steps.get(step, other), other)
    none = None if is_whole else UNSET
    patch, minor, major = (
        str(steps[step]) if step in steps else none for step in ("patch", "minor", "major")
    )
    return Newer(patch, minor, major, len({other.value for other in seen}))


def _is_candidate(version: Version, other: Version) -> bool:
    """Tell whether another version may be shown as newer."""
    return (
        other.track == version.track
        and other.value > version.value
        and (other.is_release or not version.is_release)
    )


def _step(version: Version, other: Version) -> str:
    if other.major != version.major:
        return "major"
    return "minor" if other.minor != version.minor else "patch"
