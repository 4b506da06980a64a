"""Commands for a working system: wrong settings are told first."""

import pytest
from click.testing import CliRunner

from imagedrift_cli.__main__ import main

NOWHERE = "postgresql://me@127.0.0.1:1/none"


def test_a_wrong_period_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the database is looked for."""
    monkeypatch.setenv("DATABASE_URL", NOWHERE)
    monkeypatch.setenv("IMAGEDRIFT_RETIRE_DAYS", "0")

    result = CliRunner().invoke(main, ["maintain"])

    assert result.exit_code == 64
    assert "IMAGEDRIFT_RETIRE_DAYS" in result.output


def test_a_database_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an exit code of its own."""
    monkeypatch.setenv("DATABASE_URL", NOWHERE)

    result = CliRunner().invoke(main, ["maintain"])

    assert result.exit_code == 69
    assert "Traceback" not in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("typed", ["n\n", "\n"])
def test_a_rebuild_that_is_not_confirmed_does_nothing(
    monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """Neither NATS nor the database is even connected to."""
    monkeypatch.setenv("DATABASE_URL", NOWHERE)
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")

    result = CliRunner().invoke(main, ["rebuild"], input=typed)

    assert result.exit_code == 64
    assert "into the database again?" in result.output
