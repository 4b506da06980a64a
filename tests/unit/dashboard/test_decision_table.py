"""The table of decisions."""

from datetime import UTC, datetime

import pytest

from imagedrift_dashboard.markup import layout
from imagedrift_dashboard.markup.decision_table import DecisionRow, decision_table
from support.pages import ReadPage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("is_active", "undone_at", "told"),
    [(True, None, "yes"), (False, NOW, "undone"), (False, None, "ended")],
)
def test_a_decision_says_whether_it_holds(
    is_active: bool, undone_at: datetime | None, told: str
) -> None:
    """A decision holds, was undone, or has ended."""
    assert told in read(is_active, undone_at, {}).texts


def test_a_decision_says_for_which_hosts_it_is() -> None:
    """A decision without a selector is for all hosts."""
    assert "all" in read(True, None, {}).texts
    assert "site=fra1" in read(True, None, {"site": "fra1"}).texts


def read(is_active: bool, undone_at: datetime | None, selector: dict[str, str]) -> ReadPage:
    """Show one decision."""
    row = DecisionRow(
        1, NOW, "ada", "ignore", "docker.io/*", selector, None, None, is_active, 3, "old", undone_at
    )
    return ReadPage(str(layout.document("x", decision_table([row], NOW))))
