"""The names of hosts and images, as conditions."""

import pytest

from imagedrift_cli.failures import BadUsage
from imagedrift_cli.names import canonical, host_condition, host_values, parsed, several


def test_a_reference_is_written_in_full_or_refused() -> None:
    """The refusal repeats what was typed."""
    assert canonical("nginx") == "docker.io/library/nginx:latest"
    assert parsed("ghcr.io/a/b:1").repository == "a/b"
    with pytest.raises(BadUsage, match=r"NGINX: reference .*: uppercase"):
        parsed("NGINX")


@pytest.mark.parametrize(
    ("name", "site", "host"), [("web-1", "", "web-1"), ("fra1/web-1", "fra1", "web-1")]
)
def test_a_host_is_named_by_its_name_or_with_its_site(name: str, site: str, host: str) -> None:
    """With a site only the id counts, which is unique there."""
    condition = host_condition(name)

    assert host_values(name) == {"of_site": site, "host_name": host}
    assert ("hostname" in condition) is not bool(site)
    assert (":of_site" in condition) is bool(site)


def test_a_name_that_several_hosts_have_is_told_with_the_choice() -> None:
    """Of many a few are named, and how many more there are."""
    hosts = [{"site": "fra1", "host": f"h{number}"} for number in range(7)]

    told = several("web", hosts)

    assert told.startswith("7 hosts are called web: fra1/h0, ")
    assert "fra1/h4 and 2 more; choose by --site or site/id" in told
    assert several("web", hosts[:1]) == ""
