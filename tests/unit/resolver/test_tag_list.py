"""A tag list is kept in part, and never says more than it knows."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, json

from imagedrift_resolver.core.tag_list import (
    MOST_BYTES,
    MOST_LISTED_BYTES,
    MOST_NAMES,
    MOST_PAGES,
    KeptList,
    TagList,
    keep,
)
from imagedrift_schemas.tags.newer import Newer, newer, newer_in
from imagedrift_schemas.tags.version import Version, read
from imagedrift_schemas.v1 import Truncated

SUFFIX = st.sampled_from(
    ["", "-alpine", "-alpine3.20", "-slim", "-ls1", "-ls2", "-rc1", "-b2da6b90f"]
)
NAME = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 6) | st.none(), SUFFIX).map(
    lambda row: f"{row[0]}.{row[1]}" + (f".{row[2]}" if row[2] is not None else "") + row[3]
)
NAMES = st.lists(NAME | st.sampled_from(["latest", "a1b2c3d", "20250401", "1.2.sig"]), max_size=60)
PAGES = st.lists(NAMES, max_size=5)
STOPPED: st.SearchStrategy[Truncated] = st.sampled_from(["pages", "bytes", "time", "failed"])


def version_of(tag: str) -> Version:
    """Read a tag that tells a version."""
    version = read(tag)
    assert version is not None
    return version


def listed(*pages: list[str]) -> TagList:
    """Add pages in turn."""
    found = TagList()
    for page in pages:
        found = found.add(page, sum(map(len, page)))
    return found


@given(PAGES, st.randoms(use_true_random=False), st.integers(0, 800))
def test_the_order_of_pages_is_irrelevant(pages: list[list[str]], dice: object, room: int) -> None:
    """A list of tags gives one result in any order of its pages."""
    shuffled = [dice.sample(page, len(page)) for page in dice.sample(pages, len(pages))]  # type: ignore[attr-defined]

    first = keep(listed(*pages), ["1.2-alpine"], most_bytes=room)

    assert keep(listed(*shuffled), ["1.2-alpine"], most_bytes=room) == first


@given(NAMES, st.integers(0, 600))
def test_what_is_kept_has_room(names: list[str], room: int) -> None:
    """The kept tracks are never larger than their bound."""
    kept = keep(listed(names), most_bytes=room)

    assert len(json.encode(kept.tracks)) <= max(room, 2)


@given(NAMES, NAME)
def test_with_room_the_kept_names_say_what_the_whole_list_says(names: list[str], tag: str) -> None:
    """With room the kept names give the result of the whole list."""
    version = version_of(tag)

    assert newer_in(keep(listed(names)), version) == newer(version, names, is_whole=True)


@given(NAMES, NAME, st.integers(0, 300))
def test_p11_without_room_nothing_wrong_is_said(names: list[str], tag: str, room: int) -> None:
    """P11: without room each step is right, a newer tag that exists, or unknown."""
    version = version_of(tag)
    truth = newer(version, names, is_whole=True)

    found = newer_in(keep(listed(names), most_bytes=room), version)

    assert found.behind <= truth.behind
    for step in ("patch", "minor", "major"):
        told, right = getattr(found, step), getattr(truth, step)
        if told is None:
            assert right is None
        elif told is not UNSET:
            assert told in names
            assert version < version_of(told)


@given(PAGES, NAME, STOPPED)
def test_p11_a_stopped_list_never_says_that_nothing_is_newer(
    pages: list[list[str]], tag: str, truncated: Truncated
) -> None:
    """P11: a truncated or failed list never says that nothing is newer."""
    found = newer_in(keep(listed(*pages), [tag], truncated), version_of(tag))

    assert None not in (found.patch, found.minor, found.major)


def test_p11_a_list_that_was_refused_at_once_knows_nothing() -> None:
    """P11: a list without any page leaves every step unknown."""
    kept = keep(TagList(), ["16.2"], "failed")

    assert newer_in(kept, version_of("16.2")) == Newer(UNSET, UNSET, UNSET)


def test_an_empty_repository_has_nothing_newer() -> None:
    """A complete empty list has nothing newer."""
    assert newer_in(keep(listed([])), version_of("16.2")) == Newer()


def test_tracks_that_hosts_run_come_first() -> None:
    """The tracks of the tags that hosts run are kept first."""
    names = [
        f"{major}.{minor}-v{kind}x" for major in range(3) for minor in range(9) for kind in "abc"
    ]

    kept = keep(listed(names), ["1.2-vcx"], most_bytes=160)

    assert [track.names[:3] for track in kept.tracks] == [("2.8-vcx", "1.8-vcx", "0.8-vcx")]
    assert kept.cut
    assert newer_in(kept, version_of("1.2-vcx")).major == "2.8-vcx"
    assert newer_in(kept, version_of("1.2-vax")) == Newer(UNSET, UNSET, UNSET)


def test_a_track_that_lost_a_line_is_not_whole() -> None:
    """A track that lost a line is incomplete, and its newest patch unknown."""
    names = [
        f"{major}.{minor}.{patch}" for major in range(9) for minor in range(9) for patch in "01"
    ]

    kept = keep(listed(names), ["0.0.0"], most_bytes=100)

    assert newer_in(kept, version_of("0.0.0")) == Newer(UNSET, UNSET, "8.8.1", behind=8)
    assert not kept.cut


def test_a_pre_release_takes_no_release_out_of_the_first_ranks() -> None:
    """Pre-releases displace no release."""
    names = ["1.0.0", "1.0.1", "1.0.2-rc1", "1.0.3-rc1", "1.0.4-rc1"]

    for room in range(40, 100):
        found = newer_in(keep(listed(names), ["1.0.0"], most_bytes=room), version_of("1.0.0"))
        assert found.patch in ("1.0.1", UNSET)


def test_names_count_once() -> None:
    """Repeated names count once."""
    assert listed(["1.0", "latest"], ["1.0"], ["latest", "2.0"]).count == 3


def test_a_list_is_stopped_after_its_pages_or_bytes() -> None:
    """A list ends after twenty pages, four MiB, or twenty thousand names."""
    assert listed(*[["1.0"]] * (MOST_PAGES - 1)).must_stop() == ""
    assert listed(*[["1.0"]] * MOST_PAGES).must_stop() == "pages"
    assert listed(["x" * MOST_LISTED_BYTES]).must_stop() == "bytes"
    assert listed([f"1.{number}" for number in range(MOST_NAMES)]).must_stop() == "bytes"


def test_twenty_thousand_names_are_kept_in_32_kib() -> None:
    """20,000 names are kept in 32 KiB, with the tracks that hosts run."""
    names = [
        f"{major}.{minor}.{patch}-v{kind}x"
        for major in range(10)
        for minor in range(10)
        for patch in range(4)
        for kind in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
    ]
    assert len(names) == 20_000

    kept = keep(listed(names), ["3.3.3-vkx"])

    assert len(json.encode(kept)) <= MOST_BYTES + 200
    assert kept.count == 20_000
    found = newer_in(kept, version_of("3.3.1-vkx"))
    assert (found.patch, found.minor, found.major) == ("3.3.3-vkx", "3.9.3-vkx", "9.9.3-vkx")


def test_a_list_is_the_same_written_and_read() -> None:
    """A kept list is the same after JSON."""
    kept = keep(listed(["16.2", "17.1", "latest"]), truncated="time")

    assert json.decode(json.encode(kept), type=KeptList) == kept
