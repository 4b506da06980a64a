"""A login that lacks a right learns which role has it."""

import asyncio
import re
from collections.abc import Iterator

import pytest

from support.command_line import error_line, piped
from support.operator import Operator

LOGIN = "postgresql://reader:secret@"


def as_reader(dsn: str) -> str:
    """The same database, for a login that nobody gave a right."""
    return re.sub(r"postgresql://[^@]*@", LOGIN, dsn)


@pytest.fixture
def reader_dsn(own_dsn: str) -> Iterator[str]:
    """A login without rights."""
    asyncio.run(Operator(own_dsn).ask("CREATE ROLE reader LOGIN PASSWORD 'secret'"))
    yield as_reader(own_dsn)
    asyncio.run(Operator(own_dsn).ask("DROP OWNED BY reader"))
    asyncio.run(Operator(own_dsn).ask("DROP ROLE reader"))


def test_a_login_that_is_refused_is_error_line(own_dsn: str) -> None:
    """A wrong password is reported as the login's fault."""
    assert "refuses this login" in error_line(piped(as_reader(own_dsn), "hosts"), 69)


def test_a_server_without_a_connection_left_is_not_called_away(
    reader_dsn: str, own_dsn: str
) -> None:
    """A login that has all its connections is told so."""
    asyncio.run(Operator(own_dsn).ask("ALTER ROLE reader CONNECTION LIMIT 0"))
    assert "takes no connection more" in error_line(piped(reader_dsn, "hosts"), 69)


def test_a_missing_right_is_told_with_its_grant(reader_dsn: str) -> None:
    """A missing right is reported with the role that has it."""
    assert "GRANT imagedrift_operator" in error_line(piped(reader_dsn, "hosts"), 69)


def test_a_reader_cannot_drop_a_letter(reader_dsn: str, own_dsn: str) -> None:
    """A reader cannot drop a dead letter, and learns which role can."""
    asyncio.run(Operator(own_dsn).ask("GRANT imagedrift_operator TO reader"))
    [letter] = asyncio.run(Operator(own_dsn).ask("SELECT letter FROM ops.dead_letters"))

    line = error_line(piped(reader_dsn, "dead-letters", "--drop", letter["letter"]), 69)

    assert "imagedrift_writer" in line


@pytest.mark.parametrize("command", ["forget fra1/job-1 --yes", "maintain"])
def test_a_right_that_a_change_needs_is_told_with_its_role(
    reader_dsn: str, own_dsn: str, command: str
) -> None:
    """A reader that wants to change something learns which role can."""
    asyncio.run(Operator(own_dsn).ask("GRANT imagedrift_operator TO reader"))

    assert "imagedrift_writer" in error_line(piped(reader_dsn, *command.split()), 69)
