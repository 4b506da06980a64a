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


def test_a_summary_within_filters_counts_the_hosts_that_pass() -> None:
    """Filters of hosts count hosts, filters of images the hosts that have one."""
    of_hosts = statement("status", "--site", "fra1")
    of_images = statement("status", "--running", "--site", "fra1")

    assert of_hosts.startswith("SELECT (SELECT count(*) FROM ops.hosts WHERE site = ANY")
    assert of_images.startswith("SELECT count(DISTINCT (site, host)) AS hosts")
    assert "ops.hosts WHERE silent" in of_images


def test_an_image_within_filters_is_counted_there() -> None:
    """The counts of an image are of the hosts that pass, as those of `images`."""
    assert "count(DISTINCT (site, host))" in statement("image", "nginx", "--site", "fra1")
