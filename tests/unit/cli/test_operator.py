"""The lists over `ops.*`, as statements: which view, and which rows."""

import pytest

from support.statements import statement


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["status"], "ops.fleet_summary"),
        (["status", "--site", "fra1"], "ops.comparisons"),
        (["outdated"], "ops.outdated"),
        (["unknown"], "verdict = 'unknown'"),
        (["images"], "ops.images"),
        (["images", "--site", "fra1"], "ops.comparisons"),
        (["images", "--registry", "ghcr.io"], "ops.images"),
        (["image", "nginx"], "reference = 'docker.io/library/nginx:latest'::text"),
        (["image", "nginx", "--hosts"], "ops.comparisons"),
        (["registries"], "ops.registries"),
        (["errors"], "ops.lookup_errors"),
    ],
)
def test_a_list_is_of_the_view_that_costs_least(arguments: list[str], told: str) -> None:
    """The hosts' images are read only where a filter needs them."""
    assert told in statement(*arguments)


def test_a_summary_within_filters_counts_no_silent_host_twice() -> None:
    """A filter of images leaves the count of silent hosts as it is."""
    told = statement("status", "--running", "--site", "fra1")

    assert told.count("running > 0") == 1
    assert "silent" in told
