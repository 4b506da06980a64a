"""The table of budgets."""

from datetime import UTC, datetime, timedelta

import pytest

from imagedrift_dashboard.markup import layout
from imagedrift_dashboard.markup.budget_table import RegistryBudget, budget_table
from support.pages import ReadPage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def read(left: int | None, limit: int | None, blocked: datetime | None = None) -> ReadPage:
    """Show one budget."""
    row = RegistryBudget(
        "docker.io", "anonymous", limit, left, timedelta(hours=6), None, blocked, 200, None, NOW
    )
    return ReadPage(str(layout.document("x", budget_table([row], NOW))))


@pytest.mark.parametrize(("left", "value"), [(37, "37"), (0, "0"), (-1, "0")])
def test_a_bar_has_the_share_that_is_left(left: int, value: str) -> None:
    """The bar goes from 0 to the limit, and says its numbers."""
    bar = next(a for tag, a in read(left, 100).elements if tag == "meter")

    assert (bar["value"], bar["max"], bar["aria-label"]) == (value, "100", f"{left} of 100")


@pytest.mark.parametrize(("left", "limit"), [(None, 100), (37, None), (0, 0), (None, None)])
def test_a_registry_without_a_limit_has_no_bar(left: int | None, limit: int | None) -> None:
    """Where no limit is known, nothing is drawn."""
    assert "meter" not in [tag for tag, _ in read(left, limit).elements]


def test_a_block_is_shown_while_it_lasts() -> None:
    """A block of the future says when it ends; one of the past is none."""
    assert "in 5 min" in read(1, 2, NOW + timedelta(minutes=5)).text
    assert "5 min ago" not in read(1, 2, NOW - timedelta(minutes=5)).text
