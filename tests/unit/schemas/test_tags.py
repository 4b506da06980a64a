"""How tags are read, and what is newer. Their laws are in test_version and test_newer."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from imagedrift_schemas.tags.newer import Newer, newer, newer_in
from imagedrift_schemas.tags.version import GRAMMAR, Track, read
from imagedrift_schemas.v1 import Listed, TagTrack, Truncated

Row = dict[str, Any]

ROWS: list[Row] = json.loads(Path(__file__).with_name("tag_cases.json").read_text("utf-8"))
VERSIONS = [row for row in ROWS if "track" in row]
OTHERS = [row for row in ROWS if "track" not in row]


def named(row: Row) -> str:
    """Name a row by whose tag it is."""
    return f"{row['of']}:{row['tag'][:40]}"


@pytest.mark.parametrize("row", VERSIONS, ids=named)
def test_a_tag_is_read_into_its_version(row: Row) -> None:
    """Track, parts, pre-release and build number come out as the table says."""
    version = read(row["tag"])

    assert version is not None
    assert str(version.track) == row["track"]
    assert list(version.parts) == row["parts"]
    assert version.pre_release == row.get("pre_release", "")
    assert list(version.build) == row.get("build", [])


@pytest.mark.parametrize("row", OTHERS, ids=named)
def test_a_tag_that_tells_no_version_is_none(row: Row) -> None:
    """Signatures, hashes, previews and names are held against nothing."""
    assert read(row["tag"]) is None


def test_the_table_is_as_long_as_promised() -> None:
    """The table has at least 120 tags, each once."""
    assert len({row["tag"] for row in ROWS}) == len(ROWS) >= 120


@pytest.mark.parametrize("tag", ["", "a" * 129, "1." * 65, "1.2\n", "1.2/3", "１.2", "-1.2", "1 2"])
def test_a_text_that_is_no_tag_tells_no_version(tag: str) -> None:
    """A text that is no tag by the specification has no version."""
    assert read(tag) is None


@pytest.mark.parametrize(
    ("older", "newer_one"),
    [
        ("1.9.9", "1.10.0"),
        ("18beta1", "18beta2"),
        ("18beta9", "18rc1"),
        ("18rc1", "18"),
        ("1.27-rc1-alpine3.20", "1.27-alpine3.20"),
        ("3.14.0a1", "3.14.0b1"),
        ("1.0-SNAPSHOT", "1.0"),
        ("5.14.2-ls43", "5.14.2-ls44"),
        ("5.14.2-ls99", "5.14.3-ls1"),
        ("16.2.0-debian-12-r5", "16.2.0-debian-12-r10"),
        ("2025.04.0", "2025.10.0"),
        ("20250401", "20251001"),
        ("2026.8.16-b2da6b90f", "2026.8.17-0a1b2c3d4"),
        ("2026.8.16-b2da6b90f", "2026.8.17-1234567"),
        ("RELEASE.2025-01-20T14-49-07Z", "RELEASE.2025-01-20T15-00-00Z"),
        ("main-ffffff1-1712345678", "main-0000a01-1712345679"),
        ("8u432-b06-jre", "8u442-b01-jre"),
        ("v1.30.2-k3s1", "v1.30.2-k3s2"),
    ],
)
def test_of_two_versions_of_a_track_the_newer_is_found(older: str, newer_one: str) -> None:
    """Numbers count as numbers, pre-releases precede their release, hashes do not count."""
    first, second = read(older), read(newer_one)

    assert first is not None
    assert second is not None
    assert first < second
    assert not second < first


@pytest.mark.parametrize(
    ("tag", "other"),
    [
        ("0.6.24", "2021.12.16"),
        ("17", "20250401"),
        ("17", "1712345678"),
        ("17", "1234567"),
        ("17.11", "17.12-alpine"),
        ("1.12-alpine", "1.15-alpine-perl"),
        ("1.27-alpine3.20", "1.28-alpine3.21"),
        ("1.27", "1.27.3"),
        ("1.2.3", "v1.2.4"),
        ("pg16-v0.3.0", "pg17-v0.4.0"),
        ("16-3.4", "17-3.5"),
        ("1.2.3-amd64", "1.2.4-arm64"),
        ("12-debian-11", "12-debian-12"),
        ("2024.12.0", "20250401"),
        ("1.2", "sha256-1.3"),
        ("1.2", "1.3.sig"),
    ],
)
def test_a_tag_of_another_track_is_not_newer(tag: str, other: str) -> None:
    """A tag of another variant, form or date format is not newer."""
    version, stranger = read(tag), read(other)

    assert version is not None
    assert newer(version, [other], is_whole=True) == Newer()
    if stranger is not None:
        with pytest.raises(TypeError):
            assert version < stranger


LIST = ["16", "16.1", "16.2", "16.2-alpine", "16.9", "16.10", "17.0", "17.5", "18.1", "18rc1", "x"]


def test_the_newest_of_each_step_is_told() -> None:
    """A pinned tag has a newer minor and a newer major version, and no newer patch."""
    version = read("16.2")
    assert version is not None

    found = newer(version, LIST, is_whole=True)

    assert found == Newer(patch=None, minor="16.10", major="18.1", behind=5)


def test_a_patch_is_of_the_same_major_and_minor_version() -> None:
    """Three parts have a patch, a minor and a major step."""
    version = read("v1.13.3")
    assert version is not None

    found = newer(version, ["v1.13.9", "v1.46.1", "v2.0.0", "v1.13.2", "v1.13.3"], is_whole=True)

    assert found == Newer(patch="v1.13.9", minor="v1.46.1", major="v2.0.0", behind=3)


def test_a_date_counts_as_its_parts_read() -> None:
    """In a date the year is major, the month minor and the day patch."""
    version = read("20250401")
    assert version is not None

    found = newer(version, ["20250415", "20250601", "20260101"], is_whole=True)

    assert found == Newer(patch="20250415", minor="20250601", major="20260101", behind=3)


def test_a_release_is_not_behind_a_pre_release() -> None:
    """A release is behind newer releases only."""
    version = read("18.0.1")
    assert version is not None

    assert newer(version, ["18.0.2-rc1", "19.0.0-beta.1"], is_whole=True) == Newer()


def test_a_pre_release_is_behind_later_ones_and_its_release() -> None:
    """A pre-release is behind later ones, and behind its release."""
    version = read("18.0.0-rc1")
    assert version is not None

    found = newer(version, ["18.0.0-rc2", "18.0.0", "18.0.0-beta3"], is_whole=True)

    assert found == Newer(patch="18.0.0", behind=2)


def test_two_spellings_of_one_version_are_not_newer_than_each_other() -> None:
    """Leading zeros and hashes never make a tag newer."""
    for tag, other in [("2025.04.0", "2025.4.0"), ("1.2.3-b2da6b90f", "1.2.3-c3da6b90f")]:
        version, same = read(tag), read(other)
        assert version is not None
        assert same is not None
        assert newer(version, [other], is_whole=True) == Newer()
        assert newer(same, [tag], is_whole=True) == Newer()


def test_p11_a_list_that_is_not_whole_says_of_no_step_that_nothing_is_newer() -> None:
    """P11: an incomplete list shows the newer tags that it has, and leaves the rest unknown."""
    version = read("16.2")
    assert version is not None

    found = newer(version, ["16.9"], is_whole=False)

    assert found == Newer(patch=UNSET, minor="16.9", major=UNSET, behind=1)


KEPT = Listed(
    registry="docker.io",
    repository="library/postgres",
    checked_at=datetime(2026, 11, 26, tzinfo=UTC),
    tracks=(TagTrack(names=("18.1-alpine", "17.7-alpine")), TagTrack(names=("18.1", "16.11"))),
)


def test_a_kept_list_is_asked_by_the_track_of_a_version() -> None:
    """The names of the version's own track count, and a track without names has none."""
    version = read("16.2")
    assert version is not None
    kept = replace(KEPT, tracks=(TagTrack(names=()), *KEPT.tracks))

    assert newer_in(kept, version) == Newer(minor="16.11", major="18.1", behind=2)


@pytest.mark.parametrize("truncated", ["pages", "bytes", "time", "failed"])
@pytest.mark.parametrize("tag", ["18.1", "18.1-slim"])
def test_p11_a_truncated_list_knows_no_step_without_a_newer_name(
    truncated: Truncated, tag: str
) -> None:
    """P11: also where its tracks claim to be whole, and of a track that it does not have."""
    version = read(tag)
    assert version is not None

    assert newer_in(KEPT, version) == Newer()
    assert newer_in(replace(KEPT, truncated=truncated), version) == Newer(UNSET, UNSET, UNSET)


def test_p11_a_list_that_was_cut_knows_nothing_of_a_track_that_it_lacks() -> None:
    """P11: a track that was left out for room may have newer versions."""
    version, kept = read("18.1-slim"), read("18.1")
    assert version is not None
    assert kept is not None

    assert newer_in(replace(KEPT, cut=True), version) == Newer(UNSET, UNSET, UNSET)
    assert newer_in(replace(KEPT, cut=True), kept) == Newer()


def test_p11_a_list_that_was_cut_by_another_grammar_is_whole_in_no_track() -> None:
    """P11: what this grammar takes for the newest may have been left out by another one."""
    for tag in ("18.1", "18.1-slim"):
        version = read(tag)
        assert version is not None
        assert newer_in(replace(KEPT, grammar=GRAMMAR + 1), version) == Newer(UNSET, UNSET, UNSET)
        assert newer_in(replace(KEPT, grammar=GRAMMAR), version) == Newer()


@pytest.mark.parametrize(
    ("tracks", "newest"),
    [
        ([("18.1",), ("18.1-slim",), ("17.9", "18.2")], Newer(UNSET, "18.2", UNSET, 1)),
        ([("18.1", "18.0-slim")], Newer(UNSET, UNSET, UNSET)),
        ([("18.1", "latest")], Newer(UNSET, UNSET, UNSET)),
        ([("latest", "18.2")], Newer(UNSET, UNSET, UNSET)),
    ],
)
def test_p11_tracks_that_are_mixed_up_are_not_whole(
    tracks: list[tuple[str, ...]], newest: Newer
) -> None:
    """P11: a track that comes twice, or has a name of another one, lacks names for all we know."""
    version = read("18.1")
    assert version is not None
    kept = replace(KEPT, tracks=tuple(TagTrack(names=names) for names in tracks))

    assert newer_in(kept, version) == newest


def test_two_tracks_have_two_texts() -> None:
    """A track's text can be its key: `<` and `>` are in no tag."""
    tracks = {version.track for row in VERSIONS if (version := read(row["tag"]))}

    assert len({str(track) for track in tracks}) == len(tracks)
    assert str(Track("v", "-alpine", 3)) == "v<3>-alpine"
