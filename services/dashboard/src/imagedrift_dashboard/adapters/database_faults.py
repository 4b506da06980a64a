"""A failure of the database, as a `PageFault` with the status and the advice for its reader."""

from typing import Final

import asyncpg

from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_runtime.logs import get_logger

log = get_logger()

FAILURES: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OverflowError,
)
"""All that a query may raise; some are defects."""

_UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.OperatorInterventionError,
)
_OTHER_SCHEMA: Final = (
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
)


def fault_of(error: Exception) -> PageFault | None:
    """Put a refusal of the database into words; none for an error that is a defect."""
    match error:
        case asyncpg.SerializationError():  # a standby gave up the query for what it has to replay
            log.warning("query.conflicted", error=str(error))
            return PageFault(503, f"the database gave up the query: {error}", "Try again.")
        case asyncpg.QueryCanceledError():
            log.warning("query.cancelled", error=str(error))
            advice = "Narrow the list by its filters, or try again later."
            return PageFault(504, "the database took too long", advice)
        case asyncpg.InsufficientPrivilegeError() | asyncpg.InvalidParameterValueError():
            log.warning("query.refused", error=str(error))
            advice = (
                "Its owner gives a login the right by GRANT imagedrift_operator TO it, or by GRANT"
                " NAME_operator after `imagedrift migrate --roles NAME`."
            )
            return PageFault(403, f"the database refused: {error}", advice)
        case OverflowError():  # a year beyond 9999
            return PageFault(
                503, "the database has a time that cannot be shown", "Correct it there."
            )
        case asyncpg.DataError():
            return PageFault(400, f"the database cannot read a value: {error}", "Change it.")
        case _ if isinstance(error, _OTHER_SCHEMA):
            log.error("schema.differs", error=str(error))
            advice = "Run `imagedrift migrate` of this version."
            return PageFault(503, "the database has the schema of another version", advice)
        case _ if isinstance(error, _UNREACHABLE):
            log.warning("database.failed", error=f"{type(error).__name__}: {error}")
            advice = "Is PostgreSQL started, and DATABASE_URL right? The log says more."
            return PageFault(503, "the database cannot be reached", advice)
    return None
