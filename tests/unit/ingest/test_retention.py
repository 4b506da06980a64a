"""The steps of maintenance: in which order, and what goes by which limit."""

from datetime import timedelta

import pytest

from imagedrift_ingest.core.retention import Retention, steps, that_fit
from support.ingest import NOW

KEEP = Retention(retire_after=3, history=90, dead_letters=7)


def test_rows_that_refer_to_others_go_before_them() -> None:
    """Rows are removed before the rows that they refer to."""
    names = [step.name for step in steps(KEEP, NOW)]
    for first, then in (
        ("hosts_retired", "hosts_dropped"),
        ("images_marked", "images_dropped"),
        ("images_dropped", "references_dropped"),
        ("tags_dropped", "descriptions_dropped"),
        ("plan_hosts_dropped", "plans_dropped"),
    ):
        assert names.index(first) < names.index(then)


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("hosts_retired", 3),
        ("registries_dropped", 3),
        ("hosts_dropped", 90),
        ("trend_dropped", 90),
        ("letters_dropped", 7),
        ("changes_dropped", 7),
        ("quotas_dropped", 0),
        ("plans_dropped", 90),
    ],
)
def test_each_step_has_its_limit(name: str, days: int) -> None:
    """Each step of maintenance has its own retention."""
    [step] = [step for step in steps(KEEP, NOW) if step.name == name]
    assert (step.before, step.at) == (NOW - timedelta(days=days), NOW)


@pytest.mark.parametrize(
    ("sizes", "fitting"), [([], 0), ([5000], 1), ([500, 500, 500, 500], 3), ([10] * 20, 20)]
)
def test_as_many_as_fit_one_transaction_are_removed_at_once(sizes: list[int], fitting: int) -> None:
    """A transaction removes a bounded number of rows, and one at least."""
    assert that_fit(sizes, most=2000) == fitting
