"""`imagedrift plan` and `plans`, as they are typed."""

import json
import re

import pytest
import yaml

from support.command_line import on_terminal, piped

NGINX = "docker.io/library/nginx:1.27"


def test_a_plan_is_shown_and_not_saved(fleet_dsn: str) -> None:
    """All rings together have every host where the image is outdated."""
    ended = piped(fleet_dsn, "plan", "nginx:1.27", "--ring", "1%,50%,rest", "--format", "json")
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)
    assert {(row["site"], row["host"]) for row in rows} == {("ber1", "web-1"), ("fra1", "web-1")}
    assert {row["reference"] for row in rows} == {NGINX}
    assert "nothing is saved" in ended.err
    assert json.loads(piped(fleet_dsn, "plans", "--json").out) == []


@pytest.mark.parametrize(
    ("filters", "hosts"),
    [
        ("--registry ghcr.io", {"ber1/web-1", "fra1/db-1"}),
        ("--registry docker.io --registry ghcr.io --site ber1", {"ber1/web-1"}),
        ("--site ber1 --site fra1 --label env=test", {"fra1/db-1"}),
        ("--running --place fra1", {"fra1/web-1", "fra1/db-1"}),
        ("--verdict current", set()),
    ],
)
def test_every_filter_works_on_a_plan(fleet_dsn: str, filters: str, hosts: set[str]) -> None:
    """A plan is a list as others are."""
    ended = piped(fleet_dsn, "plan", "--due", *filters.split(), "--format", "json")

    assert ended.code == 0, ended.err
    assert {f"{row['site']}/{row['host']}" for row in json.loads(ended.out)} == hosts
    if hosts:
        named = piped(fleet_dsn, "plan", "nginx:1.27", *filters.split(), "--format", "json")
        assert named.code == 0, named.err


@pytest.mark.parametrize(
    "filters", ["--running", "--registry ghcr.io", "--site ber1 --site fra1", "--verdict outdated"]
)
def test_a_plan_that_cannot_hold_a_filter_is_not_saved(own_dsn: str, filters: str) -> None:
    """Nothing is saved that would have other rows than were asked for."""
    ended = piped(own_dsn, "plan", "--due", *filters.split(), "--save")

    assert (ended.code, ended.out) == (64, "")
    assert filters.split(maxsplit=1)[0] in ended.err
    assert json.loads(piped(own_dsn, "plans", "--json").out) == []


def test_a_saved_plan_has_the_rings_that_were_shown_and_is_followed(own_dsn: str) -> None:
    """The hosts of a plan wait until their inventories say otherwise."""
    arguments = ["plan", "--due", "--ring", "30%,rest", "--format", "json"]
    seen = json.loads(piped(own_dsn, *arguments).out)
    saved = piped(own_dsn, *arguments, "--save", "--note", "the monthly one")
    key = re.search(r"imagedrift plans (\d+)", saved.err)
    assert key, saved.err
    assert json.loads(saved.out) == seen

    rows = json.loads(piped(own_dsn, "plans", "--json").out)
    assert [row["ring"] for row in rows] == [1, 2]
    assert {(row["plan_id"], row["what"], row["note"]) for row in rows} == {
        (key[1], "due", "the monthly one")
    }
    hosts = json.loads(piped(own_dsn, "plans", key[1], "--state", "waiting", "--json").out)
    assert len(hosts) == len([row for row in seen if row["host"] != "db-1"])
    assert "web-1" in on_terminal(own_dsn, "plans", key[1]).out


@pytest.mark.parametrize("form", ["ansible", "compose"])
def test_a_plan_is_read_by_other_tools(fleet_dsn: str, form: str) -> None:
    """Standard output is YAML and nothing else."""
    ended = piped(fleet_dsn, "plan", "nginx:1.27", "--format", form)
    assert ended.code == 0, ended.err
    assert NGINX in str(list(yaml.safe_load_all(ended.out)))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["plan"], 64, "--due"),
        (["plan", "nginx:1.27", "--due"], 64, "--due"),
        (["plan", "--due", "--ring", "60%,60%"], 64, "at most 100 %"),
        (["plan", "--due", "--label", "prod"], 64, "K=V"),
        (["plan", "ngimx:1.27"], 4, "no such image"),
        (["plans", "7"], 4, "no such plan"),
        (["plans", "--state", "done"], 64, "give its ID"),
    ],
)
def test_a_wrong_plan_is_refused_in_one_line(
    fleet_dsn: str, arguments: list[str], code: int, words: str
) -> None:
    """The line says what is right."""
    ended = piped(fleet_dsn, *arguments)
    assert ended.code == code, ended.err
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1


def test_the_query_of_a_plan_can_be_printed() -> None:
    """A query that is printed is not run."""
    printed = piped("", "plan", "--due", "--ring", "1%,rest", "--site", "ber1", "--sql").out
    assert "FROM ops.due" in printed
    assert "ARRAY['0.01', '1.00']::numeric[]" in printed
