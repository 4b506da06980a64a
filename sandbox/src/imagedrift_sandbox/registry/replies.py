"""Answers as registries word them: OCI error documents, and JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}


def oci_error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An error in the form of the distribution specification."""
    document = {"errors": [{"code": code, "message": message, "detail": None}]}
    return json_reply(document, status=status, headers=API_VERSION | dict(headers or {}))


def json_reply(
    document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Any value as JSON."""
    return web.Response(
        body=msgspec.json.encode(document),
        status=status,
        headers=headers,
        content_type="application/json",
    )


def empty(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer without a body."""
    return web.Response(status=status, headers=API_VERSION | dict(headers or {}))
