"""Answers as registries word them."""

import json
from typing import Any

from aiohttp import web

from imagedrift_sandbox.registry.replies import empty, json_reply, oci_error

VERSION = "Docker-Distribution-Api-Version"


def document(reply: web.Response) -> Any:
    """Read the body of an answer."""
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)


def test_an_error_is_a_document_of_the_distribution_specification() -> None:
    """With the header by which a registry is known, and the caller's own."""
    reply = oci_error(404, "MANIFEST_UNKNOWN", "no such tag", {"X-Own": "1"})

    assert reply.status == 404
    assert document(reply)["errors"] == [
        {"code": "MANIFEST_UNKNOWN", "message": "no such tag", "detail": None}
    ]
    assert (reply.headers[VERSION], reply.headers["X-Own"]) == ("registry/2.0", "1")
    assert reply.content_type == "application/json"


def test_json_and_empty_answers_have_what_they_are_given() -> None:
    """An empty answer has the registry's header, too."""
    assert document(json_reply([1, 2])) == [1, 2]
    reply = empty(202, {"Location": "/x"})
    assert (reply.status, reply.body) == (202, None)
    assert (reply.headers[VERSION], reply.headers["Location"]) == ("registry/2.0", "/x")
