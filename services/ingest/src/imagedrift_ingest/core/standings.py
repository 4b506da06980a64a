"""The standing of references in the tag list of their repository, compared with the rows.

Rules:
- Of a list that is not whole, or failed, nobody learns that nothing is newer (P11): `is_whole` is
  false then, and so it is for a track that lacks names, comes twice, or has a name of another.
- A tag that its registry answers for since before the list was read is in the list, too. A list
  that lacks one is an old copy, or a part: it is whole in no track.
- At most `MOST_COMPARED` tags of a repository are looked at, those of most hosts first, and at most
  `MOST_CANDIDATES` of its tags are resolved. A reference beyond is left out: it has no steps, is
  not whole, and says that it was not looked at.
- A whole list costs one search in a sorted track for each reference. With all names and tags to be
  read that may take some tenths of a second: too long for an event loop.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_schemas.tags.newer import SortedTrack, placed, versions_of
from imagedrift_schemas.tags.version import Track, Version, read
from imagedrift_schemas.v1 import TagTrack

VersionStep: TypeAlias = Literal["patch", "minor", "major"]

MOST_COMPARED: Final = 2000
MOST_CANDIDATES: Final = 600


class VersionStanding(Struct, frozen=True):
    """How a reference stands in the list of its repository."""

    candidates: dict[VersionStep, str] = {}
    """The newest tag of each step that has one."""
    is_whole: bool = False
    """Whether a step without a candidate has none; else it is not known."""
    behind: int | None = None
    """How many newer versions were seen; None when none was and some may be there."""
    left_out: bool = False
    """Whether the reference is beyond a limit."""


UNKNOWN: Final = VersionStanding()
NOT_LOOKED_AT: Final = VersionStanding(left_out=True)


class TrackIndex:
    """The tracks of one list, found by the track of a version; each is read when it is needed.

    Reading a name takes 25 microseconds, and a list has some thousand names.
    """

    def __init__(self, tracks: Sequence[TagTrack], *, cut: bool, is_complete: bool) -> None:
        there = placed(tracks)
        self.is_complete = is_complete
        self._knows_others = is_complete and there.are_all and not cut
        self._tracks = there.tracks
        self._sorted: dict[Track, tuple[SortedTrack, bool]] = {}

    def lacks(self, version: Version) -> bool:
        """Tell whether a release is surely not in the list, though it claims to be complete.

        The newest release of each major and minor part is kept of every track that is whole.
        """
        track = self._tracks.get(version.track)
        if track is None:
            return self._knows_others
        if not (self.is_complete and track.whole and version.is_release):
            return False
        return self._sorted_track(version.track, track)[0].is_exceeded_by(version)

    def with_others(self, tags: Iterable[str]) -> "TrackIndex":
        """Return the tracks with tags that the list lacks, whole in no track."""
        tracks = [*self._tracks.values(), *(TagTrack(names=(tag,), whole=False) for tag in tags)]
        return TrackIndex(tracks, cut=True, is_complete=False)

    def standing(self, version: Version) -> VersionStanding:
        """Tell how a version stands in the list."""
        track = self._tracks.get(version.track)
        if track is None:
            return VersionStanding(is_whole=True, behind=0) if self._knows_others else UNKNOWN
        ordered, are_its_own = self._sorted_track(version.track, track)
        is_whole = track.whole and self.is_complete and are_its_own
        found = ordered.newer(version, is_whole=is_whole)
        steps: dict[VersionStep, object] = {
            "patch": found.patch,
            "minor": found.minor,
            "major": found.major,
        }
        return VersionStanding(
            {step: tag for step, tag in steps.items() if isinstance(tag, str)},
            is_whole,
            found.behind if is_whole or found.behind else None,
        )

    def _sorted_track(self, of: Track, track: TagTrack) -> tuple[SortedTrack, bool]:
        """Sort a track and return whether each of its names belongs to it."""
        if of not in self._sorted:
            versions, are_its_own = versions_of(of, track.names)
            self._sorted[of] = SortedTrack(versions), are_its_own
        return self._sorted[of]


def standings(
    tags: Iterable[str],
    index: TrackIndex,
    *,
    most: int = MOST_COMPARED,
    most_candidates: int = MOST_CANDIDATES,
) -> dict[str, VersionStanding]:
    """Tell how tags stand, those of most hosts first; no more than `most` of them are looked at."""
    found: dict[str, VersionStanding] = {}
    candidates: set[str] = set()
    for tag in tags:
        if len(found) >= most:
            break
        version = read(tag)
        standing = index.standing(version) if version else UNKNOWN
        named = candidates.union(standing.candidates.values())
        if len(named) > most_candidates:
            found[tag] = without_candidates(standing)
            continue
        candidates = named
        found[tag] = standing
    return found


def without_candidates(standing: VersionStanding) -> VersionStanding:
    """Return the standing of a reference whose candidates would be too many."""
    return replace(
        standing, candidates={}, is_whole=False, behind=standing.behind or None, left_out=True
    )


class StoredStanding(Struct, frozen=True):
    """A reference, and how it stands by its rows."""

    ref_id: int
    tag: str
    is_used: bool
    """Whether a host has an image of it."""
    rank: int = 0
    """The place among the tags of its repository, by the hosts that run it."""
    brought_by: int = 0
    is_compared: bool = False
    is_whole: bool = False
    behind: int | None = None
    left_out: bool = False
    steps: Mapping[str, str] = {}
    """The tag of each step."""
    found_since: Mapping[str, datetime] = {}
    """Since when its registry answers for these tags: its own, and those of its steps."""


class Difference(Struct, frozen=True):
    """A reference that stands otherwise than stored."""

    ref_id: int
    brought_by: int
    is_compared: bool
    standing: VersionStanding
    changed: Mapping[VersionStep, str]
    """The tags of steps that are new."""
    dropped: tuple[str, ...]
    """The steps that have no tag any more."""


def lacking(
    rows: Iterable[StoredStanding], index: TrackIndex | None, listed_at: datetime | None
) -> set[str]:
    """Return tags that a list lacks, and that its registry answers for since before it was read."""
    if index is None or listed_at is None:
        return set()
    tags = {
        tag
        for row in rows
        if row.is_used
        for tag, since in row.found_since.items()
        if since <= listed_at
    }
    return {tag for tag in tags if (version := read(tag)) and index.lacks(version)}


def differences(
    rows: Sequence[StoredStanding], index: TrackIndex | None, *, is_new: bool
) -> Iterator[Difference]:
    """Give the references of a repository that stand otherwise than stored.

    `index`: None when no list was read. `is_new`: it tells other things than the list before it. A
    list that tells the same may have become whole, or may be so no more: by what is `lacking`.
    The rows are in the order of their rank.
    """
    found: dict[str, VersionStanding] = {}
    used = [row for row in rows if row.is_used]
    if index and (is_new or any(_has_to_be_read(row, index) for row in used)):
        found = standings((row.tag for row in used), index)
    for row in rows:
        if not row.is_used:
            yield _dropped(row)
        elif found and (difference := _difference(row, found.get(row.tag, NOT_LOOKED_AT))):
            yield difference


def within_quota(difference: Difference, made: Container[str]) -> Difference:
    """Return a difference without the candidates that may not be made; `made` has the others."""
    changed = {step: tag for step, tag in difference.changed.items() if tag in made}
    if len(changed) == len(difference.changed):
        return difference
    standing = without_candidates(difference.standing)
    return replace(difference, changed=changed, standing=standing)


def _has_to_be_read(row: StoredStanding, index: TrackIndex) -> bool:
    if row.left_out:
        return row.rank <= MOST_COMPARED
    return not row.is_compared or row.is_whole != index.is_complete


def _dropped(row: StoredStanding) -> Difference:
    return Difference(row.ref_id, row.brought_by, False, UNKNOWN, {}, tuple(row.steps))


def _difference(row: StoredStanding, standing: VersionStanding) -> Difference | None:
    wanted = standing.candidates
    changed = {step: tag for step, tag in wanted.items() if row.steps.get(step) != tag}
    dropped = tuple(step for step in row.steps if step not in wanted)
    before = (row.is_compared, row.is_whole, row.behind, row.left_out)
    after = (True, standing.is_whole, standing.behind, standing.left_out)
    if not changed and not dropped and before == after:
        return None
    return Difference(row.ref_id, row.brought_by, True, standing, changed, dropped)
