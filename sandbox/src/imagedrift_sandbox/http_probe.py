"""Small questions over HTTP to programs of ours. They block."""

import http.client
from urllib.parse import urlsplit

PROBE_BOUND_S = 2.0


def http_status(url: str) -> int | None:
    """The status of a GET, or None when nothing answers there yet."""
    try:
        return _get(url)[0]
    except (OSError, http.client.HTTPException):
        return None


def http_get(url: str) -> str:
    """The body of a GET that must succeed."""
    status, body = _get(url)
    if status != 200:
        raise RuntimeError(f"GET {url}: {status}")
    return body.decode()


def _get(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PROBE_BOUND_S)
    try:
        connection.request("GET", parts._replace(scheme="", netloc="").geturl() or "/")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
