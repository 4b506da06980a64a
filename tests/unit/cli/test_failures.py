"""How a command fails: the nearest name, and an exit code."""

import pytest

from imagedrift_cli.exits import Exit
from imagedrift_cli.failures import (
    BadUsage,
    CommandFailure,
    NotFound,
    RightsMissing,
    Unusable,
    nearest,
    suggestion,
)

NAMES = ["web-1", "web-10", "Web-2", "database"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("wbe-1", ["web-1"]),
        ("WEB-2", ["Web-2"]),
        ("data", ["database"]),
        ("zzz", []),
    ],
)
def test_the_names_that_a_slip_may_have_meant_are_chosen(typed: str, meant: list[str]) -> None:
    """By likeness, or by what is in them; in whatever case."""
    assert nearest(typed, NAMES)[: len(meant) or None] == meant
    assert len(nearest(typed, NAMES)) <= 3


def test_a_suggestion_is_a_question_or_nothing() -> None:
    """A suggestion is written so that a terminal acts on nothing in it."""
    assert suggestion(["a", "b\x1b"]) == "did you mean a or b\ufffd?"
    assert suggestion([]) == ""


def test_what_is_not_found_is_told_with_the_nearest_name_or_a_hint() -> None:
    """The hint stands in where no name is near."""
    assert str(NotFound("host", "wbe-1", NAMES, "see hosts").message).startswith(
        "no such host: wbe-1; did you mean web-1"
    )
    assert NotFound("host", "zzz", NAMES, "see hosts").message == "no such host: zzz; see hosts"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Unusable("x"), Exit.UNAVAILABLE),
        (BadUsage("x"), Exit.USAGE),
        (NotFound("host", "x"), Exit.NOT_FOUND),
        (RightsMissing("x"), Exit.UNTOLD),
    ],
)
def test_each_failure_has_its_code(failure: CommandFailure, code: Exit) -> None:
    """The codes that scripts read."""
    assert failure.exit_code == code
