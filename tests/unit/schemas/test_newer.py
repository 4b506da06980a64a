"""Laws of what is newer than a tag."""

from hypothesis import given

from imagedrift_schemas.tags.newer import newer
from imagedrift_schemas.tags.version import read
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
