"""Small questions over HTTP to programs of ours."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.http_probe import http_get, http_status


class Echo(BaseHTTPRequestHandler):
    """Answers with the target; 404 below `/no`."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(404 if self.path.startswith("/no") else 200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """A server's address."""
    with HTTPServer((LOOPBACK, 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_path_and_the_query_are_asked_for(url: str) -> None:
    """An address without a path is asked for `/`."""
    assert http_get(f"{url}/a/b?c=d") == "/a/b?c=d"
    assert http_get(url) == "/"


def test_a_status_is_told_and_an_error_is_no_body(url: str) -> None:
    """A body that must be there and is not is an error with the address."""
    assert http_status(f"{url}/no") == 404
    with pytest.raises(RuntimeError, match="/no: 404"):
        http_get(f"{url}/no")


def test_where_nothing_answers_there_is_no_status() -> None:
    """A program that is still starting is no error."""
    assert http_status(f"http://{LOOPBACK}:{free_port()}/") is None
