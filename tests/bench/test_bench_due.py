"""The benchmark of what is due knows by itself what its decisions excuse."""

import pytest

from imagedrift_bench import due


@pytest.mark.parametrize(
    ("reference", "is_ignored"), [(0, False), (1, True), (3, False), (5, True), (1801, False)]
)
def test_every_second_decision_about_a_reference_excuses_it(
    reference: int, is_ignored: bool
) -> None:
    """Half of the 900 decisions ignore a reference, the others name a period."""
    assert due.is_ignored(reference) is is_ignored
