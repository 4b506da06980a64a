"""Failures of the database become statuses with advice, and defects do not."""

import asyncpg
import pytest

from imagedrift_dashboard.adapters.database_faults import fault_of

FAULTS = {
    "a query that a standby gave up": (asyncpg.SerializationError("x"), 503, "Try again."),
    "a query that took too long": (asyncpg.QueryCanceledError("x"), 504, "Narrow the list"),
    "a right that is missing": (asyncpg.InsufficientPrivilegeError("x"), 403, "GRANT"),
    "a role that there is not": (asyncpg.InvalidParameterValueError("x"), 403, "GRANT"),
    "a time beyond the year 9999": (OverflowError("x"), 503, "Correct it there."),
    "a value that cannot be read": (asyncpg.DataError("x"), 400, "Change it."),
    "a view that is missing": (asyncpg.UndefinedTableError("x"), 503, "imagedrift migrate"),
    "a column that is missing": (asyncpg.UndefinedColumnError("x"), 503, "imagedrift migrate"),
    "an address without a server": (ConnectionRefusedError("x"), 503, "DATABASE_URL"),
    "a server that does not answer": (TimeoutError("x"), 503, "DATABASE_URL"),
    "a lost connection": (asyncpg.InterfaceError("x"), 503, "DATABASE_URL"),
    "a wrong password": (asyncpg.InvalidPasswordError("x"), 503, "DATABASE_URL"),
    "a database that there is not": (asyncpg.InvalidCatalogNameError("x"), 503, "DATABASE_URL"),
    "too many connections": (asyncpg.TooManyConnectionsError("x"), 503, "DATABASE_URL"),
}


@pytest.mark.parametrize(("error", "status", "advice"), FAULTS.values(), ids=FAULTS)
def test_a_failure_has_the_status_and_the_advice_for_its_reader(
    error: Exception, status: int, advice: str
) -> None:
    """Each failure of the database is told with its status and what to do."""
    fault = fault_of(error)
    assert fault is not None
    assert fault.status == status
    assert advice in fault.advice


@pytest.mark.parametrize(
    "error", [asyncpg.PostgresSyntaxError("x"), asyncpg.UniqueViolationError("x")]
)
def test_an_error_that_is_a_defect_is_no_fault_of_a_page(error: Exception) -> None:
    """A wrong statement stays an error, so that it is seen as one."""
    assert fault_of(error) is None
