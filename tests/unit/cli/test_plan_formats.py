"""A plan in the formats of other tools, and how rings are written."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml

from imagedrift_cli.display import Display
from imagedrift_cli.failures import BadUsage
from imagedrift_cli.plan_formats import as_ansible, as_compose, ends_of, shares_of, written

NEW = "sha256:" + "b2" * 32
NGINX = "docker.io/library/nginx:1.27"
REDIS = "docker.io/library/redis:7"
PIPE = Display(now=datetime(2026, 11, 26, tzinfo=UTC))


def row(ring: int, site: str, hostname: str, reference: str, *containers: str) -> dict[str, Any]:
    """One image of one host."""
    return {
        "ring": ring,
        "site": site,
        "host": "web-1",
        "hostname": hostname,
        "reference": reference,
        "digest": NEW,
        "running": len(containers),
        "containers": list(containers) or None,
    }


ROWS = [
    row(1, "ber1", "web-1.example.org", NGINX, "web", "web-canary"),
    row(1, "ber1", "web-1.example.org", REDIS, "cache"),
    row(2, "fra1", "web-1.example.net", NGINX),
]


@pytest.mark.parametrize(
    ("rings", "shares"),
    [
        ("rest", ["1"]),
        ("1%,10%,rest", ["0.01", "0.10", "0.89"]),
        ("0.5%, 99.5%", ["0.005", "0.995"]),
        ("5%", ["0.05"]),
    ],
)
def test_rings_are_shares_of_all_hosts(rings: str, shares: list[str]) -> None:
    """The rest is what the others leave; without it some hosts are in no ring."""
    assert shares_of(rings) == list(map(Decimal, shares))
    assert ends_of(shares_of(rings))[-1] <= 1


@pytest.mark.parametrize(
    "rings",
    ["", "10", "0%", "-1%", "101%", "60%,50%", "rest,1%", "rest,rest", "NaN%", "1e999%", "x%",
     "1%," * 20 + "rest"],
)  # fmt: skip
def test_rings_that_cannot_be_are_refused_in_words(rings: str) -> None:
    """The words name the option and what is right."""
    with pytest.raises(BadUsage, match="--ring"):
        shares_of(rings)


def test_ansible_has_a_group_for_each_ring() -> None:
    """The images of a host are in its variables, and its containers beside each."""
    [(root, read)] = yaml.safe_load(as_ansible(ROWS)).items()
    assert root == "all"
    first, second = (read["children"][ring]["hosts"] for ring in ("ring_1", "ring_2"))
    assert first["web-1.example.org"]["imagedrift_images"] == [
        {"reference": NGINX, "digest": NEW, "containers": ["web", "web-canary"]},
        {"reference": REDIS, "digest": NEW, "containers": ["cache"]},
    ]
    assert second["web-1.example.net"]["imagedrift_site"] == "fra1"


def test_a_ring_without_a_host_is_an_empty_group_of_ansible() -> None:
    """A playbook for that ring then does nothing, where one for a missing group would fail."""
    groups = yaml.safe_load(written(ROWS[:1], "ansible", PIPE, 3))["all"]["children"]

    assert list(groups) == ["ring_1", "ring_2", "ring_3"]
    assert list(groups["ring_1"]["hosts"]) == ["web-1.example.org"]
    assert groups["ring_2"] == groups["ring_3"] == {"hosts": {}}


def test_no_text_of_a_host_is_a_template_for_ansible() -> None:
    """A container's name in braces is marked, so that Ansible does not run it."""
    evil = "{{ lookup('pipe', 'id') }}"

    written_out = as_ansible([row(1, "ber1", "web", NGINX, evil, "app")])

    assert f"!unsafe '{evil.replace(chr(39), chr(39) * 2)}'" in written_out
    assert written_out.count("!unsafe") == 1


@pytest.mark.parametrize("name", ["web[1:9999]", "-oProxyCommand=id", "{{ 1 }}", "a b", "web:22"])
def test_a_host_with_a_name_that_is_none_is_called_by_its_id(name: str) -> None:
    """Ansible would take it for many hosts, or ssh for an option."""
    read = yaml.safe_load(as_ansible([row(1, "ber1", name, NGINX)]))

    [(called, variables)] = read["all"]["children"]["ring_1"]["hosts"].items()
    assert called == "web-1.ber1"
    assert "ansible_host" not in variables


def test_hosts_of_one_name_are_told_apart_for_ansible() -> None:
    """Each is called by its id and site, and reached by its name."""
    rows = [row(1, site, "web", NGINX, "web") for site in ("ber1", "fra1")]
    hosts = yaml.safe_load(as_ansible(rows))["all"]["children"]["ring_1"]["hosts"]
    assert list(hosts) == ["web-1.ber1", "web-1.fra1"]
    assert {each["ansible_host"] for each in hosts.values()} == {"web"}


def test_compose_overrides_the_image_of_each_container() -> None:
    """Tag and digest are both named, so that the container's tag is still followed."""
    [document] = yaml.safe_load_all(as_compose(ROWS))
    assert document == {
        "services": {
            "web": {"image": f"{NGINX}@{NEW}"},
            "web-canary": {"image": f"{NGINX}@{NEW}"},
            "cache": {"image": f"{REDIS}@{NEW}"},
        }
    }


def test_names_that_would_break_a_format_do_not() -> None:
    """A host's and a container's name are text of others."""
    odd = "a\n}: {- #\u202e'\""
    rows = [row(1, "ber1", odd, NGINX, odd) | {"host": odd}]
    [document] = yaml.safe_load_all(as_compose(rows))
    assert list(document["services"]) == [odd]
    hosts = yaml.safe_load(as_ansible(rows))["all"]["children"]["ring_1"]["hosts"]
    assert hosts[f"{odd}.ber1"]["imagedrift_images"][0]["containers"] == [odd]


def test_an_empty_plan_is_empty_in_every_format() -> None:
    """A program reads it all the same."""
    assert yaml.safe_load(written([], "ansible", PIPE)) == {"all": {"children": {}}}
    assert written([], "compose", PIPE) == ""
    assert written([], "json", PIPE) == "[]\n"
    assert written([], "table", PIPE).split() == [
        "ring", "site", "hostname", "host", "reference", "running", "digest",
    ]  # fmt: skip
