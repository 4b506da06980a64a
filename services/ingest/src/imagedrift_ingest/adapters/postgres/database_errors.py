"""Which errors of PostgreSQL and its driver go away by themselves, and which are the data's fault.

The driver has many classes for a server that is away or restarts, some of them not its own.
"""

from typing import Final

import asyncpg


class ConnectionLost(Exception):
    """The connection was closed while it was used."""


class DriverMisused(Exception):
    """A statement was called wrongly, such as with too few arguments: a defect, never retried."""


RETRYABLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # while connecting: "pool is closing"; see also `ConnectionLost`
    asyncpg.InternalClientError,  # a backend that was terminated in the middle of its answer
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,  # admin shutdown, crash shutdown, cancelled
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that is just being changed
    # A database that is being restored: it, its tables or its grants are not there yet.
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidCachedStatementError,
    ConnectionLost,
    OSError,
    TimeoutError,
)
"""Failures that go away by themselves: nothing is acknowledged, and it is tried again."""

REFUSALS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    OverflowError,
    UnicodeEncodeError,
)
"""Failures that would come again: the message is to blame, unless a remembered key is."""
