"""Wrong options of a database's address, and wrong variables of PostgreSQL, told in words.

PGPORT, PGSSLMODE and others add to what stands in DATABASE_URL. The driver reads both when it
connects, and fails in many ways: by its own faults, which are `ValueError`s, by those of a number
or a socket, and by what the server says of an option. Rules:
- What the driver can tell by itself is a wrong setting: the service does not start.
- What comes later, by a changed file or from the server, is a database that cannot be reached.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from imagedrift_runtime import urls
from imagedrift_runtime.settings import SettingsFault

T = TypeVar("T")
ConnectDatabase = Callable[..., Awaitable[T]]

TARGETS: Final = "any, primary, standby, read-write, read-only, prefer-standby"
_UNDEFINED_OBJECT: Final = "42704"
_CANNOT_CHANGE: Final = "55P02"
_INVALID_VALUE: Final = "22023"
_OF_AN_OPTION: Final = (_UNDEFINED_OBJECT, _CANNOT_CHANGE, _INVALID_VALUE)
"""How a server that was connected to refuses an option of the address."""


class WrongOption(ConnectionError):
    """A database cannot be reached, as the option that the message names is wrong."""


def option_fault(error: BaseException) -> str:
    """Name the wrong option by the exception of connecting; empty where it is something else."""
    is_of_driver = isinstance(error, (ValueError, OverflowError)) and not isinstance(error, OSError)
    if not is_of_driver and getattr(error, "sqlstate", "") not in _OF_AN_OPTION:
        return ""
    told = " ".join(str(error).split())
    if told.startswith("target_session_attrs"):  # the driver forgets to name the right ones
        return f"target_session_attrs is one of {TARGETS}"
    return told


async def check_options(connect: ConnectDatabase[object], *addresses: str) -> None:
    """Have the driver read addresses, and the variables. Raises `SettingsFault`."""
    for address in addresses:
        try:
            async with asyncio.timeout(0):  # it reads all of them before it waits for a server
                await connect(address)
        except Exception as error:
            if fault := option_fault(error):
                raise SettingsFault([describe_fault(address, fault)]) from error


async def connected(connect: ConnectDatabase[T], address: str, **options: Any) -> T:
    """Connect. Raises `WrongOption` for a wrong option, and what `connect` raises for the rest."""
    try:
        return await connect(address, **options)
    except Exception as error:
        if fault := option_fault(error):
            raise WrongOption(describe_fault(address, fault)) from error
        raise


def describe_fault(address: str, fault: str) -> str:
    """Say which address a wrong option is of, without its password."""
    return f"DATABASE_URL ({urls.shown(address)}) or a PG variable: {fault}"
