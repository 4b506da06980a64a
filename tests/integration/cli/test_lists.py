"""Lists: the rows that filters leave, their count, and what is not there."""

import asyncio
import json

import pytest

from support import command_fleet
from support.command_line import on_terminal, piped
from support.operator import Operator

LISTS = {
    "outdated": 4, "unknown": 1, "images": 5, "hosts": 4, "errors": 1, "registries": 1,
    "dead-letters": 1,
}  # fmt: skip
NGINX = "docker.io/library/nginx:1.27"


def test_the_first_rows_are_those_that_maintenance_keeps(own_dsn: str) -> None:
    """A terminal has the rows that are kept, and searches for them once some are gone."""
    asyncio.run(command_fleet.add_outdated(own_dsn, 910))
    assert piped(own_dsn, "maintain").code == 0
    kept = asyncio.run(Operator(own_dsn).ask("SELECT site, hostname FROM ops.longest_outdated"))

    shown = on_terminal(own_dsn, "outdated").lines[1:]
    assert {tuple(line.split()[:2]) for line in shown} == {(r["site"], r["hostname"]) for r in kept}

    gone = "DELETE FROM fleet.host_images WHERE host_id IN (SELECT host_id FROM"
    asyncio.run(Operator(own_dsn).ask(f"{gone} fleet.longest_outdated LIMIT 3)"))
    assert len(on_terminal(own_dsn, "outdated").lines) == 101


MANY = {
    "outdated": "100 of 10,004 outdated images; --limit 10004 or a pipe has all",
    "outdated --running": "100 of more than 10,000 outdated images; a pipe has all",
    "outdated --running --limit 3": "3 of more than 10,000 outdated images; as asked",
    "hosts": "100 of 10,004 hosts; --limit 10004 or a pipe has all",
    "hosts --label env=prod": "100 of more than 10,000 hosts; a pipe has all",
    "hosts --site many": "100 of 10,000 hosts; --limit 10000 or a pipe has all",
    "hosts --silent": "1 host",
}


def test_a_list_is_counted_as_far_as_that_is_quick(own_dsn: str) -> None:
    """The fleet is counted whole; of what filters leave it is said where the count ended."""
    asyncio.run(command_fleet.add_outdated(own_dsn, 10_000))

    told = {each: on_terminal(own_dsn, *each.split()).err.splitlines()[0] for each in MANY}

    assert told == MANY


@pytest.mark.parametrize(("name", "number"), LISTS.items())
def test_every_list_takes_every_filter(fleet_dsn: str, name: str, number: int) -> None:
    """Every list accepts every filter."""
    every = [
        ["--site", "ber1", "--site", "fra1"], ["--label", "env=prod"], ["--place", "ber1"],
        ["--place", "fra1/rack-8"], ["--registry", "docker.io"], ["--running"],
        ["--verdict", "outdated", "--verdict", "unknown"],
    ]  # fmt: skip
    for filters in every:
        ended = piped(fleet_dsn, name, *filters, "--json")
        assert ended.code == 0, ended.err
        assert len(json.loads(ended.out)) <= number
    assert len(json.loads(piped(fleet_dsn, name, *every[0], "--json").out)) == number
    together = [each for one in every if one != ["--place", "ber1"] for each in one]
    statement = piped(fleet_dsn, name, *together, "web", "--sql").out
    rows = asyncio.run(Operator(fleet_dsn).ask(statement.rstrip().removesuffix(";")))
    assert rows == []


def test_a_summary_of_some_hosts_has_remarks_on_these(fleet_dsn: str) -> None:
    """`status --site` tells which of that site's hosts are silent, degraded or refused."""
    silent = "note: silent: 1 host; see `imagedrift hosts --silent`"
    degraded = "note: degraded: 1 host; see `imagedrift hosts --degraded`"
    refused = "note: refused in a day: 3 messages; see `imagedrift dead-letters`"

    assert piped(fleet_dsn, "status", "--site", "ber1").err == ""
    fra1 = piped(fleet_dsn, "status", "--site", "fra1")
    assert fra1.err.splitlines() == [silent, degraded, refused]


def test_labels_add_up(own_dsn: str) -> None:
    """A host has to match every `--label`."""
    sql = "UPDATE fleet.hosts SET labels = labels || '{\"tier\": \"web\"}' WHERE site = 'fra1'"
    asyncio.run(Operator(own_dsn).ask(sql))

    both = piped(own_dsn, "hosts", "--label", "env=prod", "--label", "tier=web", "--json")

    assert [(row["site"], row["host"]) for row in json.loads(both.out)] == [("fra1", "web-1")]


@pytest.mark.parametrize(("arguments", "told"), [
    (["host", "web-9"], "no such host: web-9; did you mean web-1?"),
    (["host", "web-1", "--site", "fr1"], "no such site: fr1; did you mean fra1?"),
    (["outdated", "--site", "fr1"], "no such site: fr1; did you mean fra1?"),
    (["outdated", "ngnix"], "no such image or host: ngnix; did you mean nginx?"),
    (["hosts", "--label", "env=prd"], "no such label: env=prd; did you mean env=prod?"),
    (["images", "--registry", "docker.oi"], "no such registry: docker.oi; did you mean docker.io?"),
    (["registries", "--registry", "docker.oi"], "registry: docker.oi; did you mean docker.io?"),
    (["unknown", "--place", "fra1/rack-9"], "no such place: fra1/rack-9; did you mean fra1/rack-8"),
    (["image", "nginx:1.28"], f"library/nginx:1.28; did you mean {NGINX}"),
    (["why", "web-1", "redis:8"], "no such image on web-1: docker.io/library/redis:8; did"),
    (["history", "web-9"], "web-9; did you mean web-1?; for an image give its tag, or --image"),
    (["history", "nginx:1.28"], "no such image: docker.io/library/nginx:1.28"),
    (["dead-letters", "--show", "abc"], "no such letter: abc"),
    (["dead-letters", "--drop", "abc"], "no such letter: abc"),
    (["check", "web-9"], "no such host: web-9; did you mean web-1?"),
    (["check", "web-1", "--site", "fr1"], "no such site: fr1; did you mean fra1?"),
    (["check", "nginx:1.28"], f"library/nginx:1.28; did you mean {NGINX}"),
    (["check", "--registry", "docker.oi"], "no such registry: docker.oi; did you mean docker.io?"),
    (["forget", "web-9", "--yes"], "no such host: web-9; did you mean web-1?"),
    (["history", "web-1", "--site", "fr1"], "no such site: fr1; did you mean fra1?"),
], ids=lambda each: " ".join(each) if isinstance(each, list) else "")  # fmt: skip
def test_what_is_not_there_is_said_with_the_nearest_name(
    fleet_dsn: str, arguments: list[str], told: str
) -> None:
    """An unknown name exits with 4 and the nearest name."""
    ended = piped(fleet_dsn, *arguments)

    assert (ended.code, ended.out) == (4, "")
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1


def test_an_image_that_a_filter_leaves_out_is_not_missed(fleet_dsn: str) -> None:
    """`why` with a filter that its image does not pass is a header and exit code 0."""
    ended = piped(fleet_dsn, "why", "fra1/web-1", NGINX, "--verdict", "current")

    assert (ended.code, len(ended.lines), ended.err) == (0, 1, "")


def test_nothing_found_is_a_header_and_exit_0(fleet_dsn: str) -> None:
    """A host without outdated images is a header and exit code 0."""
    ended = piped(fleet_dsn, "outdated", "--registry", "registry.example.org")

    assert (ended.code, len(ended.lines)) == (0, 1)
    assert ended.out.startswith("site  hostname  host")


def test_outdated_can_end_with_1(fleet_dsn: str) -> None:
    """`outdated --exit-code` exits with 1 when something is outdated."""
    assert piped(fleet_dsn, "outdated", "--exit-code").code == 1
    assert piped(fleet_dsn, "outdated").code == 0
    none = piped(fleet_dsn, "outdated", "--exit-code", "--registry", "registry.example.org")
    assert none.code == 0


def test_what_is_never_asked_has_no_next_check(fleet_dsn: str) -> None:
    """A local build has no next check."""
    rows = json.loads(piped(fleet_dsn, "images", "--json").out)

    moments = {row["reference"]: row["next_check_at"] for row in rows}

    assert moments.pop("docker.io/library/app:dev") is None
    assert all(moments.values())
