"""How a call to an engine fails: one family of exceptions, each with the call in its message.

| what happened                           | fault                          |
|-----------------------------------------|--------------------------------|
| connection refused, no socket, DNS, TLS | `NotConnected`                 |
| our bound on time ran out               | `Late`                         |
| status 401, 403, 405                    | `CallDenied`                       |
| status 404                              | `ObjectGone`                     |
| any other status but 200                | `CallRefused`                      |
| a connection that broke, no HTTP        | `EngineFault`                  |

aiodocker wraps a failed connection in a `DockerError` whose text hides the system's own words. The
original is its context, so the message is taken from there.
"""

import ssl
from typing import Final

from imagedrift_agent.adapters.aiodocker_api import aiodocker, aiohttp
from imagedrift_agent.core.snapshot import SourceFault

CONNECT_WITHIN_S: Final = 5.0


class EngineFault(SourceFault):
    """The engine cannot be reached, is too slow, or sends a response that makes no sense."""


class NotConnected(EngineFault):
    """No engine accepts the connection, for any call."""


class Late(EngineFault):
    """The engine did not answer this call within its time."""


class CallRefused(EngineFault):
    """The engine answered this call with an error, or with a document of another kind."""


class CallDenied(CallRefused):
    """The engine, or a proxy before it, does not permit this call."""


class ObjectGone(CallRefused):
    """The engine has no such image or container: it was removed meanwhile."""


_BY_STATUS: Final = {401: CallDenied, 403: CallDenied, 404: ObjectGone, 405: CallDenied}


def refusal(call: str, status: int, body: bytes) -> CallRefused:
    """Describe a response that is an error."""
    kind = _BY_STATUS.get(status, CallRefused)
    return kind(f"{call}: {status} {body[:200].decode(errors='replace').strip()}")


def fault_of(
    call: str, address: str, error: Exception, seconds: float | None = None
) -> EngineFault:
    """Translate an exception of aiodocker, aiohttp, TLS or the system."""
    match _original(error):
        case aiohttp.ConnectionTimeoutError():
            return NotConnected(f"GET of {address}: no connection in {CONNECT_WITHIN_S} s")
        case aiohttp.ClientConnectorCertificateError() as untrusted:
            return NotConnected(f"GET of {address}: {_words(untrusted.certificate_error)}")
        case aiohttp.ClientConnectorError() as unreachable:
            return NotConnected(f"GET of {address}: {_words(unreachable.os_error)}")
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return EngineFault(f"{call}: the engine closed the connection")
        case TimeoutError() as late if not late.strerror:
            return Late(f"{call}: no answer in {seconds} s")
        case OSError() as broken:
            return EngineFault(f"{call}: {_words(broken)}")
        case other:
            return EngineFault(f"{call}: broken off, or no HTTP: {_words(other)[:200]}")


def _original(error: Exception) -> BaseException:
    """Find the exception that says most: the one that a library wrapped, if it is the system's."""
    wrapped = error.__cause__ or error.__context__
    if isinstance(error, aiodocker.DockerError) and wrapped is not None:
        return _original(wrapped) if isinstance(wrapped, Exception) else wrapped
    if isinstance(error, aiohttp.ClientPayloadError) and isinstance(wrapped, OSError):
        return wrapped
    return error


def _words(error: BaseException) -> str:
    if isinstance(error, (OSError, ssl.SSLError)) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
