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
from support.command_line import on_terminal, piped
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
