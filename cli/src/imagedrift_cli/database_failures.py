"""The failures of a database, each in one line with its remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from imagedrift_cli.failures import BadUsage, CommandFailure, Unusable
from imagedrift_runtime import database_options, urls

CONNECT_WITHIN_S = 10.0
WRONG_VALUES: Final = (
    asyncpg.InvalidParameterValueError,
    asyncpg.InvalidDatetimeFormatError,
    asyncpg.DatetimeFieldOverflowError,
    asyncpg.NumericValueOutOfRangeError,
)
"""The database's refusals of a value that somebody wrote."""
UNWRITABLE: Final = "invalid input for query argument"
"""The driver's words for a value that the database cannot have."""
FAULTS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server that ends a connection right before it is used
    OSError,
)
"""The exceptions of a server that goes away, or refuses, in the middle."""
CONNECT_FAULTS: Final = (*FAULTS, TimeoutError, ValueError, OverflowError)
"""The exceptions of connecting; the last two are the driver's for a number that is none."""
AWAY: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.CannotConnectNowError,
)
"""The database's refusals of a connection."""


@contextmanager
def told_in_a_line() -> Iterator[None]:
    """Put a refusal of the database into a line. Raises `Unusable`, and `BadUsage` for a value."""
    try:
        yield
    except WRONG_VALUES as error:
        raise BadUsage(str(error)) from error
    except OverflowError as error:
        raise Unusable(f"the database has a time that cannot be shown: {error}") from error
    except FAULTS as error:
        if str(error).startswith(UNWRITABLE):
            raise BadUsage(_unwritable(error)) from error
        raise Unusable(_refused(error)) from error


def unusable(dsn: str, error: BaseException) -> CommandFailure:
    """Describe in a line the fault of a database that another library has used."""
    cause = error.__cause__ or error
    if isinstance(cause, (*AWAY, OSError, TimeoutError)):
        return unreached(dsn, cause)
    return Unusable(_refused(cause))


def unreached(dsn: str, error: BaseException) -> CommandFailure:
    """Say in a line why nothing can connect: the address is wrong, or the server is away."""
    where = f"the database of DATABASE_URL ({urls.shown(dsn)})"
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():  # a wrong password, too
            return Unusable(f"{where} refuses this login: {error}")
        case asyncpg.InvalidCatalogNameError():
            return Unusable(f"{where}: {error}: create it, then run `imagedrift migrate`")
        case asyncpg.TooManyConnectionsError():
            return Unusable(f"{where} takes no connection more: {error}: try again later")
        case asyncpg.TargetServerAttributeNotMatched():
            return Unusable(f"{where}: no server of it is what target_session_attrs asks for")
        case FileNotFoundError():
            told = "no such file: a socket, or that of sslrootcert, sslcert or sslkey"
        case _ if fault := database_options.option_fault(error):
            return BadUsage(database_options.describe_fault(dsn, fault))
        case TimeoutError():
            told = f"no answer within {CONNECT_WITHIN_S:g} s"
        case _:
            told = _flat(error) or type(error).__name__
    return Unusable(f"{where} cannot be reached: {told}: is it started, and the address right?")


def _flat(error: BaseException) -> str:
    """Write the driver's words in one line; they have hints below."""
    return " ".join(str(error).split())


def _unwritable(error: BaseException) -> str:
    if isinstance(error.__cause__, UnicodeEncodeError):
        return f"not UTF-8: {error.__cause__.object[:80]!a}: type it anew"
    return f"no such value: {str(error).partition(': ')[2]}"


def _refused(error: BaseException) -> str:
    match error:
        case (
            asyncpg.UndefinedTableError()
            | asyncpg.UndefinedColumnError()
            | asyncpg.InvalidSchemaNameError()
        ):
            return f"{error}: run `imagedrift migrate` of this version first"
        case asyncpg.InsufficientPrivilegeError():
            return (
                f"the database refused: {error}: its owner gives this login the right by"
                " GRANT imagedrift_operator (to change: imagedrift_writer; to decide:"
                " imagedrift_decider; after `migrate --roles NAME`: NAME_operator and so on) TO it"
            )
        case asyncpg.QueryCanceledError():
            return f"the database gave up: {error}: narrow the question by filters"
        case asyncpg.InternalClientError():
            return "the database failed: it has ended the connection"
        case asyncpg.ReadOnlySQLTransactionError():
            return (
                f"the database failed: {error}: it is a standby, or has"
                " default_transaction_read_only: set DATABASE_URL to the one that is written to"
            )
        case asyncpg.UntranslatableCharacterError():
            return f"{error}: the database should be made anew with ENCODING 'UTF8'"
        case _:
            return f"the database failed: {_flat(error)}"
