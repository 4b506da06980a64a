"""Changed verdicts for open pages, as server-sent events.

A viewer is told no more than its pages show: nothing after its session, and nothing where the role
of the database may not read the images. Rights may change: they are asked for again and again.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from imagedrift_dashboard.adapters.changes import ChangeFeed, ReferenceChange
from imagedrift_dashboard.adapters.database import ViewReader
from imagedrift_dashboard.core.access import Viewer
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.query import fixed
from imagedrift_dashboard.core.sessions import Sessions
from imagedrift_dashboard.pages.image import ImageFactsRow
from imagedrift_dashboard.queries import statements
from imagedrift_runtime.clock import Clock

KEEP_ALIVE_S: Final = 15.0
GATHER_S: Final = 1.0
RIGHTS_AGAIN_AFTER_S: Final = 10.0
MEDIA_TYPE: Final = "text/event-stream"
NO_IMAGE: Final = fixed(statements()["image"], ImageFactsRow, reference="")
"""The query of a page, which finds none here: so it tells whether a role may read the images."""


class EventPages:
    """The address at which open pages are told of changes."""

    def __init__(
        self, feed: ChangeFeed, reader: ViewReader, sessions: Sessions | None, clock: Clock
    ) -> None:
        self._feed = feed
        self._rights = ImageRights(reader, clock)
        self._sessions = sessions
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        """Follow the changes for one page. Raises `PageFault`."""
        viewer: Viewer = request.state.viewer
        await self._rights.check(viewer.role)
        if self._feed.is_full:
            raise PageFault(503, "too many pages are open", "Close some; pages work without it.")
        if request.method == "HEAD":  # its body is sent to nobody, and would never end
            return Response(media_type=MEDIA_TYPE)
        return StreamingResponse(self._events(viewer), media_type=MEDIA_TYPE)

    async def _events(self, viewer: Viewer) -> AsyncIterator[str]:
        yield "retry: 3000\n\n"
        async for changes, more in self._feed.follow(KEEP_ALIVE_S):
            if not (self._has_session(viewer) and await self._may_read(viewer)):
                return
            yield _event(changes, more) if changes else ": alive\n\n"
            if changes:
                await self._clock.sleep(GATHER_S)

    def _has_session(self, viewer: Viewer) -> bool:
        if self._sessions is None:
            return True
        session = viewer.session
        return session is not None and self._sessions.is_open(session, self._clock.now())

    async def _may_read(self, viewer: Viewer) -> bool:
        try:
            await self._rights.check(viewer.role)
        except PageFault:
            return False
        return True


class ImageRights:
    """The roles that may read the images, each asked about once in a while for all its pages."""

    def __init__(self, reader: ViewReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._allowed_until: dict[str, float] = {}

    async def check(self, role: str) -> None:
        """Make sure that a role may read them. Raises `PageFault` where the database refuses.

        A database that is away refuses nobody: nothing changes then.
        """
        async with self._locks[role]:
            if self._clock.monotonic() < self._allowed_until.get(role, 0.0):
                return
            try:
                await self._reader.answer([NO_IMAGE], role)
            except PageFault as fault:
                if fault.status < 500:
                    raise
            self._allowed_until[role] = self._clock.monotonic() + RIGHTS_AGAIN_AFTER_S


def _event(changes: Sequence[ReferenceChange], more: int) -> str:
    told = msgspec.json.encode({"changes": changes, "more": more}).decode()
    return f"event: changed\ndata: {told}\n\n"
