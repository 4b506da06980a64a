"""Hosts of one name are told apart wherever a host is named."""

import asyncio
import csv
import io
import json
from collections.abc import Callable

import pytest

from support.command_line import Ended, on_terminal, piped
from support.operator import Operator

NGINX = "docker.io/library/nginx:1.27"


@pytest.mark.parametrize("arguments", [
    ["host", "web-1"], ["outdated", "web-1"], ["image", NGINX, "--hosts"], ["why", "web-1", NGINX],
    ["hosts", "web-1"], ["due", "web-1"], ["due", "--host", "web-1"],
], ids=" ".join)  # fmt: skip
def test_two_hosts_of_one_name_are_told_apart_in_each_form(
    fleet_dsn: str, arguments: list[str]
) -> None:
    """Two hosts of one name have site and id in each form."""
    both = {("ber1", "web-1"), ("fra1", "web-1")}
    objects = json.loads(piped(fleet_dsn, *arguments, "--json").out)
    table = csv.DictReader(io.StringIO(piped(fleet_dsn, *arguments, "--csv").out))

    assert {(row["site"], row["host"]) for row in objects} == both
    assert {(row["site"], row["host"]) for row in table} == both
    for shown in (piped(fleet_dsn, *arguments), on_terminal(fleet_dsn, *arguments)):
        assert "ber1" in shown.out
        assert "fra1" in shown.out


NAMES_OF_HOSTS = (
    "outdated", "due", "hosts", "host web-1", "image redis:7 --hosts", "why web-1 redis:7",
    "history web-1", "plan --due", "plan --due --format json", "plan --due --format ansible",
    "plan --due --format compose",
)  # fmt: skip


@pytest.mark.parametrize("form", [on_terminal, piped], ids=["terminal", "pipe"])
def test_two_hosts_of_one_name_on_one_site_are_told_apart(
    own_dsn: str, form: Callable[..., Ended]
) -> None:
    """Each command that names hosts has the id where site and name do not tell them apart."""
    sql = "UPDATE fleet.hosts SET hostname = 'web-1' WHERE host = 'db-1'"
    asyncio.run(Operator(own_dsn).ask(sql))
    history = "UPDATE fleet.host_changes SET host_id = (SELECT host_id FROM fleet.hosts"
    asyncio.run(Operator(own_dsn).ask(f"{history} WHERE host = 'db-1')"))

    told = {each: form(own_dsn, *each.split()) for each in NAMES_OF_HOSTS}

    assert {each: ended.code for each, ended in told.items()} == dict.fromkeys(NAMES_OF_HOSTS, 0)
    assert [each for each, ended in told.items() if "db-1" not in ended.out] == []


def test_a_name_that_is_not_unique_is_said(fleet_dsn: str) -> None:
    """A name of two hosts shows both, and how to choose one."""
    both = piped(fleet_dsn, "host", "web-1")
    assert (
        "2 hosts are called web-1: ber1/web-1, fra1/web-1; choose by --site or site/id" in both.err
    )
    for chosen in (["host", "fra1/web-1"], ["host", "web-1", "--site", "fra1"]):
        one = piped(fleet_dsn, *chosen, "--json")
        assert {row["site"] for row in json.loads(one.out)} == {"fra1"}
        assert "are called" not in one.err
