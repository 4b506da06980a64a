"""The text beside a verdict: the obstacle, and its remedy."""

import pytest

from imagedrift_ingest.core.explanation import NAMES_DIGEST, NOT_DESCRIBED, explained
from imagedrift_ingest.core.verdict import Verdict

OUTDATED = Verdict(verdict="outdated", reason="digest_differs")
REPLACED = Verdict(verdict="outdated", reason="platform_differs")
CURRENT = Verdict(verdict="current", reason="digest_match", error="timeout")


@pytest.mark.parametrize(
    ("verdict", "undescribed", "by_digest", "told"),
    [
        (OUTDATED, "denied", False, NOT_DESCRIBED + "denied"),
        (OUTDATED, "denied", True, f"{NAMES_DIGEST}; {NOT_DESCRIBED}denied"),
        (REPLACED, "denied", False, ""),
        (REPLACED, "", True, NAMES_DIGEST),
        (CURRENT, "denied", True, "timeout"),
        (OUTDATED, "", False, ""),
    ],
)
def test_an_obstacle_is_told_where_it_stands_in_the_way(
    verdict: Verdict, undescribed: str, by_digest: bool, told: str
) -> None:
    """Only where a description would tell more, and only of what a container holds by digest."""
    found = explained(verdict, undescribed=undescribed, by_digest=by_digest)

    assert found.error == told
    assert (found.verdict, found.reason) == (verdict.verdict, verdict.reason)
