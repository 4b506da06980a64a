"""The line about an image's version: what hosts run, what they would get, and what is newer."""

from typing import Any

import pytest

from imagedrift_cli.version_remarks import on_version, sentence_of

NONE: dict[str, Any] = {
    "version": "1.27.3",
    **{f"newest_{step}": None for step in ("patch", "minor", "major")},
    **{f"{step}_state": "none" for step in ("patch", "minor", "major")},
    "error": None,
    "truncated": None,
    "listed_at": "2026-11-23",
    "left_out": False,
    "is_old": False,
}
UNKNOWN = NONE | {"major_state": "unknown"}


@pytest.mark.parametrize(
    ("known", "runs", "gets", "line"),
    [
        (None, set(), set(), ""),
        (None, {"1.27.3"}, {"1.27.3"}, "runs 1.27.3"),
        (None, {"1.27.3"}, {"1.27.5"}, "runs 1.27.3, would get 1.27.5"),
        (NONE, set(), set(), "runs 1.27.3; nothing newer"),
        (
            NONE | {"newest_minor": "1.28.1", "minor_state": "newer"},
            {"1.27.3", "1.27.2"},
            {"1.27.5"},
            "runs 1.27.2 and 1.27.3, would get 1.27.5; newest minor 1.28.1",
        ),
        (
            UNKNOWN,
            set(),
            set(),
            "runs 1.27.3; what is newer is not known:"
            " a tag is not resolved yet, or the list lacks tags",
        ),
        (
            UNKNOWN | {"listed_at": None},
            set(),
            set(),
            "runs 1.27.3; what is newer is not known: not listed yet",
        ),
        (
            UNKNOWN | {"truncated": "pages"},
            set(),
            set(),
            "runs 1.27.3; what is newer is not known: the list of tags is cut: pages",
        ),
        (
            UNKNOWN | {"left_out": True},
            set(),
            set(),
            "runs 1.27.3; what is newer is not known: more of its repository is in use than is"
            " looked at",
        ),
        (
            UNKNOWN | {"is_old": True},
            set(),
            set(),
            "runs 1.27.3; what is newer is not known: the list of tags is old",
        ),
        (
            UNKNOWN | {"error": "denied"},
            set(),
            set(),
            "runs 1.27.3; what is newer is not known: denied",
        ),
    ],
)
def test_a_version_is_told_as_far_as_it_is_known(
    known: dict[str, Any] | None, runs: set[str], gets: set[str], line: str
) -> None:
    """An unknown version is said to be so, with the reason, and never as nothing newer."""
    assert sentence_of(known, runs, gets) == line


class NothingNewer:
    """A database that knows no version of any reference."""

    async def named(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Return no rows."""
        return []


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([{"base_name": "r.io/base:3", "base_outdated": None}], []),
        ([{"base_name": "r.io/base:3", "base_outdated": False}], []),
        ([{"base_outdated": True}], ["built on another image, which was replaced"]),
        (
            [{"base_name": f"r.io/base:{n}", "base_outdated": True} for n in (4, 3, 4)],
            ["built on r.io/base:3 and r.io/base:4, which was replaced"],
        ),
        (
            [{"local_version": "1.2", "base_name": "r.io/base:3", "base_outdated": True}],
            ["runs 1.2", "built on r.io/base:3, which was replaced"],
        ),
    ],
)
async def test_a_base_is_told_where_it_was_replaced(
    rows: list[dict[str, Any]], lines: list[str]
) -> None:
    """A base that is current, or of which nothing is known, makes no remark."""
    remarks = await on_version("r.io/app:1")(NothingNewer())  # type: ignore[arg-type]
    remarks.see(rows)
    assert [line.split(": ", 1)[-1] for line in remarks.lines()] == lines
