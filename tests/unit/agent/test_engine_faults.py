"""Failures of the libraries below become faults that name the call and what the system said."""

import errno
import ssl

import aiohttp
import pytest
from aiodocker.exceptions import DockerError
from aiohttp.client_reqrep import ConnectionKey

from imagedrift_agent.adapters.engine_faults import (
    CallDenied,
    CallRefused,
    EngineFault,
    Late,
    NotConnected,
    ObjectGone,
    fault_of,
    refusal,
)

CALL, ADDRESS = "GET /v1.41/info", "/run/docker.sock"
KEY = ConnectionKey("localhost", None, False, True, None, None, None)
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
TIMED_OUT = TimeoutError(errno.ETIMEDOUT, "Connection timed out")
UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")


def wrapped(error: Exception) -> DockerError:
    """Wrap an error as aiodocker does: in place of what it handles."""
    try:
        try:
            raise error
        except Exception:
            raise DockerError(900, f"Cannot connect to Docker Engine via x [{error}]")  # noqa: B904
    except DockerError as raised:
        return raised


def payload_error(error: Exception) -> aiohttp.ClientPayloadError:
    """Break off a body for a reason."""
    broken = aiohttp.ClientPayloadError("Response payload is not completed")
    broken.__cause__ = error
    return broken


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            wrapped(aiohttp.ClientConnectorError(KEY, REFUSED)),
            NotConnected,
            "GET of /run/docker.sock: Connection refused",
        ),
        (
            wrapped(aiohttp.ClientConnectorCertificateError(KEY, UNTRUSTED)),
            NotConnected,
            "GET of /run/docker.sock: certificate verify failed",
        ),
        (
            aiohttp.ConnectionTimeoutError("Connection timeout"),
            NotConnected,
            "GET of /run/docker.sock: no connection in 5.0 s",
        ),
        (TimeoutError(), Late, "GET /v1.41/info: no answer in 4.0 s"),
        (TIMED_OUT, EngineFault, "GET /v1.41/info: Connection timed out"),
        (payload_error(TIMED_OUT), EngineFault, "GET /v1.41/info: Connection timed out"),
        (
            wrapped(aiohttp.ServerDisconnectedError()),
            EngineFault,
            "GET /v1.41/info: the engine closed the connection",
        ),
        (
            payload_error(ValueError("x")),
            EngineFault,
            "GET /v1.41/info: broken off, or no HTTP: Response payload is not completed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failure_is_told_in_the_words_of_the_system(
    error: Exception, kind: type[EngineFault], message: str
) -> None:
    """The wrapping of aiodocker and aiohttp does not hide them."""
    fault = fault_of(CALL, ADDRESS, error, 4.0)

    assert type(fault) is kind
    assert str(fault) == message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, CallDenied),
        (403, CallDenied),
        (404, ObjectGone),
        (405, CallDenied),
        (500, CallRefused),
        (301, CallRefused),
    ],
)
def test_a_status_tells_what_kind_of_refusal_it_is(status: int, kind: type[CallRefused]) -> None:
    """A denied call or a removed object is treated otherwise than a broken one."""
    refused = refusal(CALL, status, b'{"message":"no"}\n')

    assert type(refused) is kind
    assert str(refused) == f'GET /v1.41/info: {status} {{"message":"no"}}'
