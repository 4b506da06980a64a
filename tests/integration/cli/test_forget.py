"""A host is given up when that is confirmed, and not before."""

import asyncio

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main
from support.command_line import error_line, piped
from support.operator import Operator


@pytest.fixture
def host(own_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A host's site and id, in a database that may be changed."""
    monkeypatch.setenv("DATABASE_URL", own_dsn)
    query = "SELECT site, host FROM ops.hosts ORDER BY site, host LIMIT 1"
    [row] = asyncio.run(Operator(own_dsn).ask(query))
    return f"{row['site']}/{row['host']}"


def hosts(dsn: str) -> int:
    """How many hosts are counted."""
    [row] = asyncio.run(Operator(dsn).ask("SELECT count(*) AS n FROM ops.hosts"))
    return int(row["n"])


def test_a_host_is_forgotten_without_a_question_where_that_is_wanted(
    own_dsn: str, host: str
) -> None:
    """The host is told in full."""
    before = hosts(own_dsn)

    result = CliRunner().invoke(main, ["forget", host, "--yes"])

    assert result.output == f"forgotten: {host}\n"
    assert hosts(own_dsn) == before - 1


def test_a_host_stays_where_the_question_is_not_answered_with_yes(own_dsn: str, host: str) -> None:
    """The question names it in full."""
    before = hosts(own_dsn)

    result = CliRunner().invoke(main, ["forget", host], input="n\n")

    assert result.exit_code == 64
    assert f"Forget {host}?" in result.output
    assert hosts(own_dsn) == before


def test_a_host_of_two_is_not_forgotten(own_dsn: str) -> None:
    """`forget` refuses a name that two hosts have."""
    assert "2 hosts are called web-1" in error_line(piped(own_dsn, "forget", "web-1", "--yes"), 64)
    assert piped(own_dsn, "forget", "fra1/web-1", "--yes").out == "forgotten: fra1/web-1\n"
    assert "are called" not in piped(own_dsn, "host", "web-1").err
