"""The kept part of a repository's tag list: names that can be newer than a host's.

- Pages are added in any order, and a name counts once.
- Per track the newest name is kept first, then the newest of each major part, then the newest of
  each major and minor part, then the others. The first three tell all that `newer` can say.
- Tracks that hosts run come first, rank by rank; then the others. At most `MOST_BYTES` are kept.
- A track of which one of the first three ranks lacks a name is not `whole`; one without a name
  here was left out, and the list is `cut`.
- A list that was stopped or failed is whole in no track: of it nobody learns that nothing is newer
  (P11).
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from imagedrift_schemas.tags.version import GRAMMAR, Track, Version, read
from imagedrift_schemas.v1 import TagTrack, Truncated

MOST_BYTES: Final = 32 * 1024
MOST_PAGES: Final = 20
MOST_LISTED_BYTES: Final = 4 * 1024 * 1024
MOST_NAMES: Final = 20_000
TRACK_BYTES: Final = 32
"""The bytes of a track beside its names, as JSON: its braces, fields and flags."""
NAME_BYTES: Final = 3
NEWEST, OF_MAJOR, OF_MINOR, OTHER = range(4)


class TagList(Struct, frozen=True):
    """The names of the pages so far."""

    names: frozenset[str] = frozenset()
    pages: int = 0
    listed_bytes: int = 0

    def add(self, page: Iterable[str], size: int) -> "TagList":
        """Return the list with one more page, of which so many bytes were read."""
        return TagList(self.names.union(page), self.pages + 1, self.listed_bytes + size)

    @property
    def count(self) -> int:
        """How many names were seen, each once."""
        return len(self.names)

    def must_stop(self) -> Truncated:
        """Say why no further page is read, if that is so."""
        if self.pages >= MOST_PAGES:
            return "pages"
        is_large = self.listed_bytes >= MOST_LISTED_BYTES or self.count >= MOST_NAMES
        return "bytes" if is_large else ""


class KeptList(Struct, frozen=True):
    """The kept part of a list."""

    tracks: tuple[TagTrack, ...] = ()
    count: int = 0
    cut: bool = False
    """Tracks were left out for room: one that is not here may exist."""
    truncated: Truncated = ""
    grammar: int = GRAMMAR
    """The number of the tag grammar by which names were chosen."""


def keep(
    listed: TagList,
    wanted: Iterable[str] = (),
    truncated: Truncated = "",
    most_bytes: int = MOST_BYTES,
) -> KeptList:
    """Choose the names to keep. `wanted` are tags that hosts run: their tracks come first.

    Reading 20,000 names takes half a second: too long for an event loop.
    """
    first = {version.track for tag in wanted if (version := read(tag))}
    by_track: dict[Track, list[Version]] = {}
    for name in listed.names:
        if version := read(name):
            by_track.setdefault(version.track, []).append(version)
    chosen, short = _choose(_in_order(by_track, first), most_bytes)
    tracks = tuple(
        TagTrack(names=tuple(names), whole=not truncated and track not in short)
        for track, names in chosen.items()
    )
    cut = len(chosen) < len(by_track)
    return KeptList(tracks=tracks, count=listed.count, cut=cut, truncated=truncated)


def _choose(
    ranked: Iterable[tuple[int, Track, str]], most_bytes: int
) -> tuple[dict[Track, list[str]], set[Track]]:
    """Take names while there is room, and tell which tracks lack one of the first three ranks.

    A track that has no room for a name takes no later one.
    """
    chosen: dict[Track, list[str]] = {}
    full: set[Track] = set()
    short: set[Track] = set()
    left = most_bytes
    for rank, track, name in ranked:
        cost = len(name) + NAME_BYTES + (0 if track in chosen else TRACK_BYTES)
        if cost > left or track in full:
            full.add(track)
            if rank < OTHER:
                short.add(track)
            continue
        left -= cost
        chosen.setdefault(track, []).append(name)
    return chosen, short


def _in_order(
    by_track: dict[Track, list[Version]], first: set[Track]
) -> Iterator[tuple[int, Track, str]]:
    """Give every name by how much it is worth: whose track hosts run, then by rank and newness."""
    entries = [
        (rank == OTHER, track not in first, rank, index, str(track), track, str(version))
        for track, versions in by_track.items()
        for index, (rank, version) in enumerate(_ranked(versions))
    ]
    for _, _, rank, _, _, track, name in sorted(entries, key=lambda entry: entry[:5]):
        yield rank, track, name


def _ranked(versions: list[Version]) -> list[tuple[int, Version]]:
    """Give the versions of one track by rank, then newest first.

    Releases and pre-releases are ranked apart, as a release is held against releases alone.
    """
    seen: set[tuple[object, ...]] = set()
    ranked: list[tuple[int, Version]] = []
    for version in sorted(versions, key=lambda each: (each.value, str(each)), reverse=True):
        kind = version.is_release
        lines = [(kind,), (kind, version.major), (kind, version.major, version.minor)]
        rank = next((rank for rank, line in enumerate(lines) if line not in seen), OTHER)
        seen.update(lines)
        ranked.append((rank, version))
    return sorted(ranked, key=lambda entry: entry[0])
