"""Finds newer versions among the names of a tag list.

Of a list that is not whole nobody learns that nothing is newer (P11): a step is UNSET then, unless
a newer tag was seen. Not whole is a track, too, that comes twice or has a name of another track,
and every track of a list that was cut by another grammar than ours.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from imagedrift_schemas.tags.version import GRAMMAR, Numbers, Track, Version, read
from imagedrift_schemas.v1 import TagTrack

Value: TypeAlias = tuple[Numbers, Numbers, Numbers]
"""The value by which versions are ordered."""
NewestTag: TypeAlias = str | UnsetType | None
"""The newest tag of a step; None where there is none; UNSET where that is not known."""


class Newer(Struct, frozen=True):
    """The newer versions of a version's track."""

    patch: NewestTag = None
    """The newest of the same major and minor part."""
    minor: NewestTag = None
    """The newest of the same major part and a higher minor one."""
    major: NewestTag = None
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
    """Read the names of a track and return whether each is of it."""
    versions = [found for name in names if (found := read(name)) and found.track == track]
    return versions, len(versions) == len(names)


def newer_in(kept: KeptTags, version: Version) -> Newer:
    """Find the newer tags of a version in a kept list; UNSET where they cannot be known."""
    is_complete = not kept.truncated and kept.grammar == GRAMMAR
    there = placed(kept.tracks)
    track = there.tracks.get(version.track)
    if track is None:
        is_whole = is_complete and there.are_all and not kept.cut
        return newer_versions(version, (), is_whole=is_whole)
    _, are_its_own = versions_of(version.track, track.names)
    return newer(version, track.names, is_whole=is_complete and track.whole and are_its_own)


def newer(version: Version, names: Iterable[str], *, is_whole: bool) -> Newer:
    """Find newer versions among names; pre-releases count for a pre-release alone."""
    versions = (read(name) for name in names)
    return newer_versions(version, (each for each in versions if each), is_whole=is_whole)


def newer_versions(version: Version, others: Iterable[Version], *, is_whole: bool) -> Newer:
    """Find newer versions among versions. `is_whole`: no name of the track lacks."""
    track = SortedTrack(other for other in others if other.track == version.track)
    return track.newer(version, is_whole=is_whole)


class SortedTrack:
    """The versions of one track in their order: many are held against it at little cost each.

    A release is held against releases alone, so these have an order of their own.
    """

    def __init__(self, versions: Iterable[Version]) -> None:
        self._all = sorted(versions, key=_order)
        self._releases = [version for version in self._all if version.is_release]
        self._values = _distinct(self._all)
        self._release_values = _distinct(self._releases)

    def is_exceeded_by(self, version: Version) -> bool:
        """Tell whether a release comes after all releases of its major and minor part."""
        newest = _last(self._releases, (version.major, version.minor), _major_and_minor)
        return newest is None or newest < version

    def newer(self, version: Version, *, is_whole: bool) -> Newer:
        """Find the newer versions in the track. `is_whole`: the track lacks no name."""
        offered = self._releases if version.is_release else self._all
        values = self._release_values if version.is_release else self._values
        own = (version.major, version.minor)
        newest = _last(offered, own, _major_and_minor)
        patch = newest if newest and newest.value > version.value else None
        newest = _last(offered, own[:1], lambda each: (each.major,))
        minor = newest if newest and newest.minor > version.minor else None
        newest = offered[-1] if offered else None
        major = newest if newest and newest.major > version.major else None
        none = None if is_whole else UNSET
        return Newer(
            str(patch) if patch else none,
            str(minor) if minor else none,
            str(major) if major else none,
            len(values) - bisect_right(values, version.value),
        )


def _last(
    offered: Sequence[Version], begins: Numbers, beginning: Callable[[Version], Numbers]
) -> Version | None:
    """Return the last of ordered versions whose numbers begin so."""
    index = bisect_right(offered, begins, key=beginning)
    if index and beginning(offered[index - 1]) == begins:
        return offered[index - 1]
    return None


def _major_and_minor(version: Version) -> Numbers:
    return version.major, version.minor


def _order(version: Version) -> tuple[Value, str]:
    return version.value, str(version)


def _distinct(ordered: Iterable[Version]) -> list[Value]:
    return list(dict.fromkeys(version.value for version in ordered))
