"""A failure of the database, as the line that an operator reads."""

import asyncpg
import pytest

from imagedrift_cli.database_failures import told_in_a_line, unreached, unusable
from imagedrift_cli.failures import BadUsage, CommandFailure, Unusable

DSN = "postgresql://me:hunter2@db.example.org/facts"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (asyncpg.InvalidPasswordError("no"), Unusable, "refuses this login"),
        (asyncpg.InvalidCatalogNameError("no facts"), Unusable, "create it, then run"),
        (asyncpg.TooManyConnectionsError("full"), Unusable, "takes no connection more"),
        (FileNotFoundError(), Unusable, "no such file: a socket"),
        (ValueError("target_session_attrs"), BadUsage, "is one of any, primary"),
        (TimeoutError(), Unusable, "no answer within 10 s"),
        (ConnectionRefusedError(), Unusable, "ConnectionRefusedError: is it started"),
    ],
)
def test_a_failure_to_connect_names_its_cause_and_no_password(
    error: Exception, kind: type[CommandFailure], words: str
) -> None:
    """A line names the database without its password, and the cause with its remedy."""
    line = unreached(DSN, error)

    assert type(line) is kind
    assert words in line.message
    assert "db.example.org" in line.message
    assert "hunter2" not in line.message


def test_a_failure_inside_another_is_the_one_that_is_told() -> None:
    """A server that is away is told as one, also where a library wraps its error."""
    wrapped = RuntimeError("no migration")
    wrapped.__cause__ = ConnectionRefusedError("refused")

    assert "cannot be reached: refused" in unusable(DSN, wrapped).message
    assert unusable(DSN, RuntimeError("odd\n  twice")).message == "the database failed: odd twice"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (asyncpg.NumericValueOutOfRangeError("too large"), BadUsage, "too large"),
        (OverflowError("year"), Unusable, "a time that cannot be shown"),
        (asyncpg.UndefinedTableError("ops.x"), Unusable, "run `imagedrift migrate`"),
        (asyncpg.QueryCanceledError("timeout"), Unusable, "narrow the question by filters"),
        (asyncpg.InsufficientPrivilegeError("no"), Unusable, "GRANT imagedrift_operator"),
        (asyncpg.InternalClientError("lost"), Unusable, "it has ended the connection"),
    ],
)
def test_a_refusal_is_told_in_a_line(
    error: Exception, kind: type[CommandFailure], words: str
) -> None:
    """A refusal of the database is one line; a wrong value is the fault of who wrote it."""
    with pytest.raises(kind, match=words), told_in_a_line():
        raise error
