"""Forms that change something: read within a bound, and only with the token of their viewer.

The token is made from the key and the session, or from the name of whom a proxy signed in. A page
of another site cannot read it, so it cannot send the form; nor may it, by `Sec-Fetch-Site` and by
the cookie's `SameSite`.
"""

import asyncio
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from imagedrift_dashboard.core.access import Viewer
from imagedrift_dashboard.core.cookie_key import CookieKey
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.markup.form_field import FORM_TOKEN

MOST_BYTES: Final = 16 * 1024
WITHIN_S: Final = 10.0
"""How long a form may take to come."""
_KIND: Final = "application/x-www-form-urlencoded"


class FormReader:
    """Reads forms, and makes the tokens that they need."""

    def __init__(self, key: CookieKey, within_s: float = WITHIN_S) -> None:
        self.key = key
        self._within_s = within_s

    def token(self, viewer: Viewer) -> str:
        """Make the token of the forms of one viewer."""
        whose = f"session {viewer.session.id}" if viewer.session else f"user {viewer.name}"
        return self.key.derive("form", whose)

    async def read(self, request: Request) -> Mapping[str, str]:
        """Read a form. Raises `PageFault`."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        content = await self._content(request)
        try:
            pairs = parse_qsl(content.decode("ascii"), keep_blank_values=True, max_num_fields=50)
        except ValueError:
            pairs = []
        fields = dict(pairs)
        if kind != _KIND or len(fields) < len(pairs):
            raise PageFault(400, "this is no form of these pages", "Use the form of the page.")
        expected = self.token(request.state.viewer)
        if not hmac.compare_digest(fields.get(FORM_TOKEN, "").encode(), expected.encode()):
            raise PageFault(403, "the form is of another session", "Open its page anew.")
        return fields

    async def _content(self, request: Request) -> bytes:
        content = bytearray()
        try:
            async with asyncio.timeout(self._within_s):
                async for part in request.stream():
                    content += part
                    if len(content) > MOST_BYTES:
                        raise PageFault(413, "the form is too long", "Write less.")
        except (TimeoutError, ClientDisconnect):
            raise PageFault(408, "the form did not come whole", "Send it again.") from None
        return bytes(content)
