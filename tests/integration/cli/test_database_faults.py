"""A database that does not serve is told in one line that says what to do, without a password."""

import asyncio
from pathlib import Path

import pytest

from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.postgres import PostgresServer
from support.command_line import error_line, piped
from support.operator import Operator


def test_a_stopped_database_is_named_without_its_password() -> None:
    """A stopped database is one line with its address and without its password."""
    line = error_line(piped(f"postgresql://me:hunter2@{LOOPBACK}:{free_port()}/x", "outdated"), 69)

    assert "cannot be reached" in line
    assert "is it started" in line
    assert LOOPBACK in line
    assert "hunter2" not in line


@pytest.mark.parametrize("command", ["migrate", "maintain"])
def test_an_owner_s_command_names_the_database_that_is_away(command: str) -> None:
    """A stopped database is one line with its address and without its password, for owners, too."""
    line = error_line(piped(f"postgresql://me:hunter2@{LOOPBACK}:{free_port()}/x", command), 69)

    assert "cannot be reached" in line
    assert LOOPBACK in line
    assert "hunter2" not in line


@pytest.mark.parametrize("command", ["outdated", "migrate", "maintain"])
@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        ("sslmode=bad", 64, "must be one of: disable"),
        ("sslmode=verify-full", 64, "root.crt"),
        ("sslmode=require&sslcert=/none&sslkey=/none", 69, "sslcert"),
        ("target_session_attrs=bad", 64, "is one of any, primary"),
        ("target_session_attrs=standby", 69, "target_session_attrs asks for"),
        ("connect_timeout=1", 64, 'parameter "connect_timeout"'),
        ("foo=bar", 64, 'parameter "foo"'),
        ("ssl=true", 64, '"ssl" cannot be changed'),
    ],
)
def test_a_wrong_option_of_the_address_is_told_as_one(
    own_dsn: str, command: str, option: str, code: int, words: str
) -> None:
    """A wrong option is the address's fault, in one line, and no server is called away."""
    line = error_line(piped(f"{own_dsn}?{option}", command, HOME="/none"), code)

    assert words in line
    assert ("is it started" in line) == option.startswith("sslmode=require")


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("PGPORT", "x", 64),
        ("PGPORT", "99999", 64),
        ("PGSSLMODE", "x", 64),
        ("PGTARGETSESSIONATTRS", "x", 64),
    ],
)
def test_a_wrong_variable_of_postgresql_is_error_line(variable: str, value: str, code: int) -> None:
    """A wrong value of a variable that adds to the address is told in one line."""
    wrong = {variable: value}
    assert "PG variable" in error_line(
        piped("postgresql://me@127.0.0.1/x", "outdated", **wrong), code
    )


def test_a_warning_of_a_library_is_a_note(tmp_path: Path) -> None:
    """A password file that is a folder is told without a line of anybody's code."""
    dsn = f"postgresql://me@{LOOPBACK}:{free_port()}/x"
    ended = piped(dsn, "outdated", PGPASSFILE=str(tmp_path))

    note, error = ended.err.splitlines()
    assert note.startswith("note: password file")
    assert error.startswith("Error: the database")


def test_a_database_that_is_only_read_is_error_line(own_dsn: str) -> None:
    """A decision on a standby fails with a line that names the right database."""
    name = own_dsn.rpartition("/")[2]
    change = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    asyncio.run(Operator(own_dsn).ask(change))

    line = error_line(piped(own_dsn, "decide", "nginx:1.27", "accept", "--reason", "x"), 69)

    assert "the one that is written to" in line
    assert len(piped(own_dsn, "outdated").lines) == 5


@pytest.mark.parametrize("dropped", ["schema ops cascade", "view ops.activity"])
def test_another_schema_is_told_with_its_remedy(own_dsn: str, dropped: str) -> None:
    """A database with another schema is reported with the fix."""
    asyncio.run(Operator(own_dsn).ask(f"DROP {dropped}"))
    assert "run `imagedrift migrate`" in error_line(piped(own_dsn, "top"), 69)


def test_no_schema_is_told_before_maintenance(postgres_server: PostgresServer) -> None:
    """`maintain` on a database without the schema is one line with the fix."""
    line = error_line(piped(postgres_server.dsn().rpartition("/")[0] + "/postgres", "maintain"), 69)
    assert "run `imagedrift migrate`" in line
