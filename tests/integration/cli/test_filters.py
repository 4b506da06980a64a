"""The rows that filters leave of the small fleet: all that pass, and counts of these."""

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from imagedrift_cli.__main__ import main
from imagedrift_cli.commands import COMMANDS
from support.command_line import piped
from support.operator import Operator

NGINX = "docker.io/library/nginx:1.27"


def run_command(dsn: str, *arguments: str) -> Result:
    """The end of a command, in this process."""
    ended = CliRunner().invoke(main, arguments, env={"DATABASE_URL": dsn})
    assert ended.exit_code == 0, ended.output
    return ended


def rows(dsn: str, *arguments: str) -> list[dict[str, Any]]:
    """The rows of a list."""
    found: list[dict[str, Any]] = json.loads(run_command(dsn, *arguments, "--json").stdout)
    return found


def change(dsn: str, sql: str) -> None:
    """Change the fleet."""
    asyncio.run(Operator(dsn).ask(sql))


LISTS = (
    "status", "outdated", "unknown", "versions", "due", "due --excused", "decisions", "plans",
    "plans 1", "images", "image nginx:1.27", "image nginx:1.27 --hosts", "hosts", "host web-1",
    "why web-1 nginx:1.27", "history nginx:1.27", "history web-1", "errors", "registries",
    "dead-letters",
)  # fmt: skip
FILTERS = (
    "--site ber1", "--site ber1 --site fra1", "--place fra1", "--place ber1 --place fra1/rack-8",
    "--label env=prod", "--registry docker.io", "--running", "--verdict outdated",
    "--site ber1 --place ber1 --label env=prod --registry docker.io --running --verdict outdated",
)  # fmt: skip
NO_LISTS = {
    "demo", "up", "down", "scan", "decide", "undo", "plan", "top", "check", "forget", "completion",
    "migrate", "streams", "maintain", "rebuild", "bench", "watch", "open", "notify",
}  # fmt: skip


def test_every_list_is_known_to_this_table() -> None:
    """A new command has to be told here as a list, or as none."""
    assert {each.split()[0] for each in LISTS} | NO_LISTS >= set(COMMANDS)


@pytest.mark.parametrize("command", LISTS)
def test_every_list_takes_every_filter(request: pytest.FixtureRequest, command: str) -> None:
    """Each is heard, and the query that is printed for all of them runs."""
    dsn = request.getfixturevalue("own_dsn" if "plans" in command else "fleet_dsn")
    if "plans" in command:
        key = run_command(dsn, "plan", "nginx:1.27", "--save").stderr.split()[-1]
        command = command.replace("plans 1", f"plans {key}")
    whole = rows(dsn, *command.split())

    for filters in FILTERS:
        found = rows(dsn, *command.split(), *filters.split())
        assert command == "status" or len(found) <= len(whole)
    printed = run_command(dsn, *command.split(), *filters.split(), "--sql").stdout
    assert len(asyncio.run(Operator(dsn).ask(printed.rstrip().rstrip(";")))) == len(found)


def test_the_parts_of_a_summary_are_the_whole(own_dsn: str) -> None:
    """Sites together have as many hosts as the fleet, also those without an image."""
    change(own_dsn, "DELETE FROM fleet.host_images WHERE host_id = (SELECT host_id FROM fleet.hosts"
                    " WHERE host = 'job-1')")  # fmt: skip
    sites = [rows(own_dsn, "status", "--site", site)[0] for site in ("ber1", "fra1")]

    assert [row["hosts"] for row in sites] == [1, 3]
    assert [row["silent_hosts"] for row in sites] == [0, 1]


def test_a_summary_within_an_image_counts_its_hosts_alone(fleet_dsn: str) -> None:
    """The silent host that has no such image is not counted, and not remarked on."""
    ended = piped(fleet_dsn, "status", "--registry", "registry.example.org", "--json")

    [row] = json.loads(ended.out)
    assert (row["hosts"], row["silent_hosts"], row["unknown"]) == (1, 0, 1)
    assert ended.err == ""


def test_an_image_is_counted_on_the_hosts_that_pass(fleet_dsn: str) -> None:
    """`image` and `images` agree."""
    for filters in (["--site", "ber1"], ["--label", "env=prod"], []):
        [one] = rows(fleet_dsn, "image", "nginx:1.27", *filters)
        [same] = [row for row in rows(fleet_dsn, "images", *filters) if row["reference"] == NGINX]
        assert one["hosts"] == same["hosts"] == (1 if "--site" in filters else 2)


def test_history_is_of_images_that_went_too(own_dsn: str) -> None:
    """A filter of hosts keeps the history of one that has no image any more."""
    change(own_dsn, "DELETE FROM fleet.host_images")

    for filters in (["--place", "ber1"], ["--label", "env=prod"], ["--registry", "docker.io"]):
        assert len(rows(own_dsn, "history", "ber1/web-1", *filters)) == 1, filters


def test_history_has_no_change_of_another_registry(fleet_dsn: str) -> None:
    """The filter is asked of the image that changed, and not of others of its host."""
    assert rows(fleet_dsn, "history", "ber1/web-1", "--registry", "ghcr.io") == []


def test_the_letters_of_a_host_that_was_never_stored_are_of_its_site(own_dsn: str) -> None:
    """A host whose every inventory was refused is in no other list."""
    change(own_dsn, "UPDATE fleet.dead_letters SET subject = 'drift.v1.inventory.ber1.new-1'")

    assert len(rows(own_dsn, "dead-letters", "--site", "ber1")) == 1
    assert rows(own_dsn, "dead-letters", "--site", "fra1") == []


@pytest.mark.parametrize("command", ["errors", "unknown", "dead-letters", "registries"])
def test_a_text_that_is_in_no_name_may_be_in_an_error(fleet_dsn: str, command: str) -> None:
    """Where errors are searched, too, nothing found is an answer."""
    assert rows(fleet_dsn, command, "certificate has expired") == []


def test_a_check_of_two_hosts_says_so(fleet_dsn: str) -> None:
    """Both are asked about, and a note says how to choose one."""
    ended = piped(fleet_dsn, "check", "web-1", NATS_URL="nats://127.0.0.1:1")

    assert ended.err.startswith("note: 2 hosts are called web-1: ber1/web-1, fra1/web-1; choose")


@pytest.mark.parametrize("command", ["outdated", "due"])
@pytest.mark.parametrize(
    ("texts", "number"),
    [("web", 3), ("nginx", 2), ("1", 4), ("web nginx", 2), ("WEB-1 1.27 docker", 2), ("redis", 0)],
)
def test_a_text_is_looked_for_in_few_names_first(
    fleet_dsn: str, command: str, texts: str, number: int
) -> None:
    """The rows are those that have each text in the reference or the host's name."""
    assert len(rows(fleet_dsn, command, *texts.split())) == number
