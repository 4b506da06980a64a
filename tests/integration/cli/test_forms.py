"""The lists print every row, and tell hosts of one name apart, in each form."""

import asyncio
import csv
import io
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from imagedrift_sandbox.processes import console_script
from support import command_fleet
from support.command_line import Ended, on_terminal, piped
from support.operator import Operator

LISTS = {
    "outdated": 4, "unknown": 1, "images": 5, "hosts": 4, "errors": 1, "registries": 1,
    "dead-letters": 1,
}  # fmt: skip
NGINX = "docker.io/library/nginx:1.27"


async def test_no_form_loses_a_row(own_dsn: str) -> None:
    """914 outdated images are 914 rows in each form, and a cut table shows the total."""
    await command_fleet.add_outdated(own_dsn, 910)
    [row] = await Operator(own_dsn).ask("SELECT count(*) AS n FROM ops.outdated")
    assert row["n"] == 914

    def counts() -> tuple[int, ...]:
        return (
            len(piped(own_dsn, "outdated", "--no-header").lines),
            len(piped(own_dsn, "outdated").lines) - 1,
            len(piped(own_dsn, "outdated", "--csv").lines) - 1,
            len(json.loads(piped(own_dsn, "outdated", "--json").out)),
            len(piped(own_dsn, "outdated", "-o", "ndjson").lines),
            len(piped(own_dsn, "outdated", "-o", "tsv").lines) - 1,
            len(yaml.safe_load(piped(own_dsn, "outdated", "-o", "yaml").out)),
            len(on_terminal(own_dsn, "outdated", "--limit", "914").lines) - 1,
            len(piped(own_dsn, "due", "--csv").lines) - 1,
            len(piped(own_dsn, "plan", "--due").lines) - 1,
        )

    assert await asyncio.to_thread(counts) == (914,) * 10

    cut = await asyncio.to_thread(on_terminal, own_dsn, "outdated")
    assert len(cut.lines) == 101
    assert "100 of 914 outdated images; --limit 914 or a pipe has all" in cut.err
    asked = await asyncio.to_thread(piped, own_dsn, "outdated", "--limit", "3")
    assert len(asked.lines) == 4
    assert "3 of 914 outdated images; as asked" in asked.err


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


FORMS: dict[str, Callable[[str], list[Any]]] = {
    "csv": lambda text: list(csv.reader(io.StringIO(text)))[1:],
    "tsv": lambda text: text.splitlines()[1:],
    "ndjson": str.splitlines,
    "json": json.loads,
    "table": lambda text: text.splitlines()[1:],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_memory_does_not_grow_with_the_answer(own_dsn: str, form: str) -> None:
    """Rows come by a cursor, in bounded memory."""
    few, little = weighed(own_dsn, form)
    asyncio.run(command_fleet.add_outdated(own_dsn, 40_000))
    many, much = weighed(own_dsn, form)

    assert (few, many) == (4, 40_004)
    assert much < little + 15


def weighed(dsn: str, form: str) -> tuple[int, float]:
    """How many rows `outdated` gives, and the memory that it takes at most, in MiB."""
    with (
        tempfile.TemporaryFile("w+") as out,
        subprocess.Popen(
            [console_script("imagedrift"), "outdated", "-o", form],
            env={"DATABASE_URL": dsn},
            stdout=out,
        ) as process,
    ):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return len(FORMS[form](out.read())), used.ru_maxrss / 1024


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


def test_each_form_has_the_same_rows(fleet_dsn: str) -> None:
    """JSON, NDJSON, YAML, CSV and TSV have the same rows."""
    read: dict[str, Callable[[str], list[dict[str, str]]]] = {
        "json": json.loads,
        "ndjson": lambda text: [json.loads(line) for line in text.splitlines()],
        "yaml": yaml.safe_load,
        "csv": lambda text: list(csv.DictReader(io.StringIO(text))),
        "tsv": lambda text: list(csv.DictReader(io.StringIO(text), delimiter="\t")),
    }
    keys = []
    for form, parse in read.items():
        rows = parse(piped(fleet_dsn, "outdated", "-o", form).out)
        keys.append([(row["site"], row["host"], row["reference"]) for row in rows])
    assert len(keys[0]) == 4
    assert keys == [keys[0]] * len(read)


@pytest.mark.parametrize("name", [name for name in LISTS if name != "dead-letters"])
@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_has_one_line_a_row(fleet_dsn: str, name: str, columns: int) -> None:
    """A terminal shows a header and one line a row, none too wide."""
    shown = on_terminal(fleet_dsn, name, columns=columns)

    assert len(shown.lines) == 1 + LISTS[name]
    assert max(map(len, shown.lines)) <= columns


def test_a_reader_that_closes_the_pipe_hears_nothing(own_dsn: str) -> None:
    """A closed pipe ends a command without a message."""
    asyncio.run(command_fleet.add_outdated(own_dsn, 2000))
    process = subprocess.Popen(
        [console_script("imagedrift"), "outdated", "--json"],
        env={"DATABASE_URL": own_dsn},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr  # noqa: PT018
    process.stdout.read(10)
    process.stdout.close()
    told = process.stderr.read().decode()
    assert (process.wait(60), "Errno" in told, "Error" in told) == (0, False, False)


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_any_locale_will_do(own_dsn: str, locale: str) -> None:
    """A terminal's locale replaces what it cannot show, and a pipe is UTF-8."""
    sql = "UPDATE fleet.hosts SET hostname = 'büro-日本' WHERE host = 'db-1'"
    asyncio.run(Operator(own_dsn).ask(sql))
    environment = {"LC_ALL": locale, "PYTHONIOENCODING": "latin-1", "PYTHONCOERCECLOCALE": "0"}

    assert "büro-日本" in piped(own_dsn, "hosts", **environment).out
    shown = on_terminal(own_dsn, "hosts", columns=80, **environment)
    assert shown.code == 0, shown.err
    assert "ro-??" in shown.out


def test_colours_are_for_terminals_that_want_them(fleet_dsn: str) -> None:
    """Verdicts have colours on a terminal without NO_COLOR only."""
    assert "\x1b[31moutdated" in on_terminal(fleet_dsn, "host", "fra1/web-1", NO_COLOR="").out
    assert "\x1b" not in on_terminal(fleet_dsn, "host", "fra1/web-1").out
    assert "\x1b" not in piped(fleet_dsn, "host", "fra1/web-1").out


def test_what_is_never_asked_has_no_next_check(fleet_dsn: str) -> None:
    """A local build has no next check."""
    rows = json.loads(piped(fleet_dsn, "images", "--json").out)

    moments = {row["reference"]: row["next_check_at"] for row in rows}

    assert moments.pop("docker.io/library/app:dev") is None
    assert all(moments.values())
