"""The definition of a thing in the database is found, whichever migration made it last."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.sql_definition import definitions, main, migrations, statements

ROOT = Path(__file__).parents[3]
FIRST = """-- Views; of all hosts.
CREATE VIEW ops.hosts AS
SELECT 'a;b' AS name; -- a semicolon; here

CREATE FUNCTION fleet.note() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RETURN NEW;
END
$body$;
CREATE TRIGGER note AFTER INSERT ON fleet.t EXECUTE FUNCTION fleet.note();
CREATE TABLE fleet.t (n integer);
CREATE INDEX t_n ON fleet.t (n);
"""
SECOND = """ALTER TABLE ONLY fleet.t ADD COLUMN m integer;
CREATE OR REPLACE VIEW ops.hosts AS SELECT 2 AS name;
DROP INDEX fleet.none, fleet.t_n;
"""


def found() -> dict[str, list[str]]:
    """The statements of each name, after two migrations."""
    both = [*statements("0001_a.sql", FIRST), *statements("0002_b.sql", SECOND)]
    return {
        name: [f"{each.file}:{each.line} {each.sql}" for each in made]
        for name, made in definitions(both).items()
    }


def test_the_last_definition_of_a_view_counts() -> None:
    """A view that a later migration replaces is read there, with its line."""
    assert found()["ops.hosts"] == [
        "0002_b.sql:2 CREATE OR REPLACE VIEW ops.hosts AS SELECT 2 AS name;"
    ]


def test_a_statement_ends_at_its_own_semicolon() -> None:
    """Semicolons in texts, comments and bodies end no statement."""
    first = [each.sql for each in statements("0001_a.sql", FIRST)]

    assert first[0].endswith("'a;b' AS name;")
    assert first[1].startswith("CREATE FUNCTION")
    assert first[1].endswith("$body$;")


def test_a_table_is_shown_with_its_changes() -> None:
    """The columns that were added later belong to the table."""
    assert [line.partition(" (")[0] for line in found()["fleet.t"]] == [
        "0001_a.sql:11 CREATE TABLE fleet.t",
        "0002_b.sql:1 ALTER TABLE ONLY fleet.t ADD COLUMN m integer;",
    ]


def test_what_was_dropped_has_no_definition() -> None:
    """An index that a later migration drops is not shown."""
    assert "t_n" not in found()


def test_a_function_that_replaces_one_of_other_parameters_is_shown() -> None:
    """A migration that makes a function anew, and then drops the old one, leaves the new one."""
    made = "CREATE FUNCTION f({}) RETURNS text RETURN a;"
    old = [*statements("0001_a.sql", made.format("a text"))]
    new = [*statements("0002_b.sql", made.format("a text, b text") + "\nDROP FUNCTION f(text);")]
    gone = [*statements("0003_c.sql", "DROP FUNCTION f(text, text);")]

    assert [each.file for each in definitions([*old, *new])["f"]] == ["0002_b.sql"]
    assert "f" not in definitions([*old, *new, *gone])


def test_every_view_of_the_reference_has_a_definition() -> None:
    """Each view that docs/sql.md describes is made by a migration."""
    page = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    views = re.findall(r"^### (ops\.\w+)$", page, re.MULTILINE)

    assert len(views) > 10
    assert set(views) <= definitions(migrations()).keys()


def test_a_name_may_lack_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints file, line and statement."""
    assert main(["fleet_summary"]) == 0

    shown = capsys.readouterr().out
    assert re.match(r"-- \d{4}_\w+\.sql:\d+\nCREATE (OR REPLACE )?VIEW ops\.fleet_summary", shown)


def test_an_unknown_name_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the pen is shown what was meant."""
    assert main(["ops.outdate"]) == 1

    assert "ops.outdated" in capsys.readouterr().err


def test_without_a_name_the_command_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    """No name is a fault of its own, and not a definition of nothing."""
    assert main([]) == 1

    assert "give a name" in capsys.readouterr().err


def test_a_reader_that_closes_early_ends_the_command_quietly() -> None:
    """A pipe whose reader has gone, as of `head`, gives no traceback."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "tools.sql_definition", "ops.outdated"],
            cwd=ROOT,
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )

    assert ended.returncode == -signal.SIGPIPE
    assert ended.stderr == b""
