"""Laws of what is newer than a tag."""

from hypothesis import given
from msgspec import UNSET
from msgspec.structs import replace

from imagedrift_schemas.tags.newer import Newer, SortedTrack, newer
from imagedrift_schemas.tags.version import Version, read
from support.tags import OF_ONE_TRACK


@given(OF_ONE_TRACK)
def test_nothing_is_newer_than_the_newest_release(tags: list[str]) -> None:
    """The highest of a track has no newer one, and each step told is higher than its tag."""
    versions = [version for tag in tags if (version := read(tag))]
    highest = max(versions)

    assert newer(highest, tags, is_whole=True).behind == 0
    for version in versions:
        found = newer(version, tags, is_whole=True)
        steps = [read(step) for step in (found.patch, found.minor, found.major) if step]
        assert all(step is not None and version < step for step in steps)


@given(OF_ONE_TRACK)
def test_a_sorted_track_tells_what_every_pair_of_its_versions_tells(tags: list[str]) -> None:
    """A search in the order of a track finds what comparing each version with each other finds."""
    versions = [version for tag in tags if (version := read(tag))]
    track = SortedTrack(versions)
    for version in versions:
        for is_whole in (True, False):
            found = track.newer(version, is_whole=is_whole)
            assert found == by_pairs(version, versions, is_whole=is_whole)


def by_pairs(version: Version, others: list[Version], *, is_whole: bool) -> Newer:
    """The newer versions of a version, each held against it."""
    seen = [
        other
        for other in others
        if other.value > version.value and (other.is_release or not version.is_release)
    ]
    steps: dict[str, list[Version]] = {"patch": [], "minor": [], "major": []}
    for other in seen:
        if other.major != version.major:
            steps["major"].append(other)
        else:
            steps["minor" if other.minor != version.minor else "patch"].append(other)
    none = None if is_whole else UNSET
    patch, minor, major = (str(max(step)) if step else none for step in steps.values())
    return Newer(patch, minor, major, len({other.value for other in seen}))


class Counting(tuple[int, ...]):
    """Numbers that count how often they are compared."""

    __slots__ = ()

    compared = 0

    def __lt__(self, other: object) -> bool:
        """Compare as tuples do."""
        Counting.compared += 1
        return tuple.__lt__(self, other)  # type: ignore[operator]

    def __gt__(self, other: object) -> bool:
        """Compare as tuples do."""
        Counting.compared += 1
        return tuple.__gt__(self, other)  # type: ignore[operator]


def test_a_version_is_searched_for_in_its_track_and_not_compared_with_all() -> None:
    """Of a track with thousands of names a version costs some dozen comparisons."""
    names = [f"1.{minor}.{patch}" for minor in range(40) for patch in range(50)]
    versions = [version for name in names if (version := read(name))]
    track = SortedTrack(replace(each, parts=Counting(each.parts)) for each in versions)
    Counting.compared = 0
    for version in versions:
        track.newer(version, is_whole=True)
    assert 0 < Counting.compared <= 20 * len(versions)
