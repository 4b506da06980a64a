"""Ask a program of ours over HTTP what status it answers."""

import http.client
from urllib.parse import urlsplit

PROBE_BOUND_S = 2.0


def http_status(url: str) -> int | None:
    """The status of a GET, or None when nothing answers there yet."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PROBE_BOUND_S)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
