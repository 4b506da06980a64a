"""Laws of the version that a tag tells."""

import time
from itertools import combinations, permutations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from imagedrift_schemas.tags.newer import newer
from imagedrift_schemas.tags.patterns import PLAIN
from imagedrift_schemas.tags.version import read, read_by_grammar
from support.tags import OF_ONE_TRACK, PRE

TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)

PREFIX = st.sampled_from(["", "v", "version-", "pg18-", "RELEASE.", "main-1a2b3c4-", "arm64v8-"])

NUMBERS = st.lists(st.integers(0, 12).map(str) | st.just("03"), min_size=1, max_size=4).map(
    ".".join
)

DATES = st.dates().map(lambda day: f"20{day.year % 100:02}{day.month:02}{day.day:02}")

SUFFIX = st.sampled_from(
    [
        "",
        "-alpine",
        "-alpine3.20",
        "-ls4",
        "-ls43",
        "-1",
        "-b2da6b90f",
        "-1234567",
        "-r5",
        "p1",
        ".Final",
    ]
)

LIKELY = st.tuples(PREFIX, NUMBERS | DATES, PRE, SUFFIX).map("".join)


@given(TAG | LIKELY | st.text(max_size=40))
@example("1.2a1b2c3d")
@example("abcdef12025-01-20")
def test_writing_what_was_read_gives_the_tag_back(tag: str) -> None:
    """No character of a tag is lost or added, leading zeros included."""
    version = read(tag)

    assert version is None or str(version) == tag


WORDS = st.sampled_from(
    ["", "-rc", "-alpha", "-beta", "-eap", "-dev", "-gabcdefa", "-abcdefa", "-alpine", "-sig"]
)


@given(TAG | LIKELY | st.from_regex(PLAIN, fullmatch=True) | st.tuples(NUMBERS, WORDS).map("".join))
@example("2025.1.2")
@example("v1.2-m")
@example("202501.1")
def test_a_plain_tag_is_read_as_by_the_whole_grammar(tag: str) -> None:
    """A tag that is read in short tells what the whole grammar reads."""
    assert read(tag) == read_by_grammar(tag)


@given(OF_ONE_TRACK)
def test_a_track_has_a_total_order(tags: list[str]) -> None:
    """Of two versions of a track one is newer, and every way to sort them gives one order."""
    versions = [version for tag in tags if (version := read(tag))]
    assert len(versions) == len(tags)
    assert len({version.track for version in versions}) == 1

    for first, second in permutations(versions, 2):
        assert (first < second) != (second < first)
    ordered = sorted(versions)
    assert all(earlier < later for earlier, later in combinations(ordered, 2))


@given(LIKELY | TAG, LIKELY | TAG)
def test_versions_of_two_tracks_have_no_order(tag: str, other: str) -> None:
    """Versions of two tracks cannot be compared, and neither is newer."""
    first, second = read(tag), read(other)
    assume(first is not None and second is not None)
    assert first is not None
    assert second is not None
    assume(first.track != second.track)

    with pytest.raises(TypeError):
        assert first < second
    assert newer(first, [other], is_whole=True).behind == 0


@pytest.mark.parametrize(
    "tag",
    [
        "1" * 128,
        "1." * 63 + "1",
        "a1" * 64,
        "a-" * 64,
        "1-" * 64,
        "rc1-" * 32,
        "1-rc1.1" + ".1" * 60,
        "f" * 127 + "g",
        "0" * 64 + "a" * 64,
        "-".join(["a1b2c3d"] * 16),
        "20250101-" * 14,
        "2025-01-" * 16,
        "amd64-" * 21,
        "a." * 62 + "sig",
        "_" * 128,
        "build" * 25,
    ],
)
def test_the_longest_tags_are_read_in_bounded_time(tag: str) -> None:
    """A tag of 128 characters takes well under a millisecond, whatever is in it."""
    assert len(tag) <= 128
    began = time.process_time()

    for _ in range(50):
        read(tag)

    assert time.process_time() - began < 0.25
