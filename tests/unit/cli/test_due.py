"""Due images, as a statement: which rows each option leaves."""

import pytest

from support.statements import statement


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--overdue"], "overdue_for IS NOT NULL"),
        (["--host", "web-1"], "(hostname = 'web-1'::text OR host = 'web-1')"),
        (["--host", "fra1/web-1"], "site = 'fra1'::text AND host = 'web-1'::text"),
        (["--excused"], "FROM ops.excused"),
        ([], "FROM ops.due"),
    ],
)
def test_an_option_leaves_some_rows(arguments: list[str], told: str) -> None:
    """Each becomes a condition of the statement, or another view."""
    assert told in statement("due", *arguments)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--verdict", "outdated"], "verdict = ANY"),
        (["--excused", "--verdict", "current"], "verdict = ANY"),
    ],
)
def test_every_filter_works_on_what_is_due(arguments: list[str], told: str) -> None:
    """The verdict filters, too: a newer version is due of an image that is current."""
    assert told in statement("due", *arguments)


def test_decisions_that_have_ended_are_listed_when_asked_for() -> None:
    """Without `--all` only those in force."""
    assert "WHERE active" in statement("decisions")
    assert "active" not in statement("decisions", "--all").partition("FROM")[2]
