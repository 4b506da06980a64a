"""Finds newer versions among the names of a tag list.

Of a list that is not whole nobody learns that nothing is newer (P11): a step is UNSET then, unless
a newer tag was seen. Not whole is a track, too, that comes twice or has a name of another track,
and every track of a list that was cut by another grammar than ours.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from imagedrift_schemas.tags.version import GRAMMAR, Track, Version, read
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

    @property
    def grammar(self) -> int:
        """Return the number of the grammar by which names were kept."""


class PlacedTracks(Struct, frozen=True):
    """The tracks of a list, by the track of their names."""

    tracks: dict[Track, TagTrack]
    are_all: bool
    """Every one was placed."""


def placed(tracks: Iterable[TagTrack]) -> PlacedTracks:
    """Find the track of each by its first name. One that comes twice becomes one, not whole."""
    found: dict[Track, TagTrack] = {}
    are_all = True
    for track in tracks:
        first = read(track.names[0]) if track.names else None
        if first is None:
            are_all = are_all and not track.names
        elif twin := found.get(first.track):
            found[first.track] = TagTrack(names=twin.names + track.names, whole=False)
        else:
            found[first.track] = track
    return PlacedTracks(found, are_all)


def versions_of(track: Track, names: Sequence[str]) -> tuple[list[Version], bool]:
    """Read the names of a track; whether each is of it."""
    versions = [found for name in names if (found := read(name)) and found.track == track]
    return versions, len(versions) == len(names)


def newer_in(kept: KeptTags, version: Version) -> Newer:
    """Find what is newer than a version by what was kept; UNSET where that cannot be known."""
    is_complete = not kept.truncated and kept.grammar == GRAMMAR
    there = placed(kept.tracks)
    track = there.tracks.get(version.track)
    if track is None:
        is_whole = is_complete and there.are_all and not kept.cut
        return newer_versions(version, (), is_whole=is_whole)
    _, are_its_own = versions_of(version.track, track.names)
    return newer(version, track.names, is_whole=is_complete and track.whole and are_its_own)


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
