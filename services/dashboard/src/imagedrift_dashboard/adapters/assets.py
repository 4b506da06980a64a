"""The style sheet, the script and the icon of the pages: sent once, then only when they changed."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

KINDS: Final = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file that the pages load, and the tag of its content."""

    content: bytes
    tag: str


async def answer(request: Request) -> Response:
    """Send an asset, or only 304 to a browser that has it already."""
    name = request.path_params["name"]
    if name not in KINDS:
        raise HTTPException(404)
    asset = _read(name)
    headers = {"cache-control": "no-cache", "etag": asset.tag}
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=KINDS[name], headers=headers)


@cache
def _read(name: str) -> Asset:
    content = files("imagedrift_dashboard").joinpath("assets", name).read_bytes()
    return Asset(content, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
