"""An open page is told no more than its viewer may read."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from imagedrift_dashboard.adapters import database
from imagedrift_dashboard.adapters.changes import ChangeFeed
from imagedrift_dashboard.adapters.database import ViewReader
from imagedrift_dashboard.adapters.events import RIGHTS_AGAIN_AFTER_S, EventPages
from imagedrift_dashboard.core.access import Viewer
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_sandbox.free_port import free_port
from imagedrift_schemas import codec
from support import logins
from support.changed_verdicts import NGINX, changed
from support.pages import OPERATOR
from support.polling import until
from support.virtual_time import StillClock

LOST = f"REVOKE USAGE ON SCHEMA ops FROM {OPERATOR}"


class OpenStream:
    """The stream of one open page."""

    def __init__(self, feed: ChangeFeed, clock: StillClock, parts: AsyncIterator[Any]) -> None:
        self._feed = feed
        self._clock = clock
        self._parts = parts

    @classmethod
    async def of(cls, reader: ViewReader, role: str) -> "OpenStream":
        """Open the stream of a viewer. Raises `PageFault`."""
        feed, clock = ChangeFeed(), StillClock()
        scope = {"type": "http", "method": "GET", "state": {"viewer": Viewer(role=role)}}
        response = await EventPages(feed, reader, None, clock).answer(Request(scope))
        assert isinstance(response, StreamingResponse)
        parts = aiter(response.body_iterator)
        assert await anext(parts) == "retry: 3000\n\n"
        return cls(feed, clock, parts)

    async def told(self) -> str:
        """Let a verdict change when the rights are asked for again; what the page is sent."""
        asking = asyncio.ensure_future(anext(self._parts, "the end"))
        await until(lambda: self._feed.has_followers, "the page follows")
        self._clock.at += RIGHTS_AGAIN_AFTER_S
        await self._feed.hear("", codec.encode(changed(NGINX)))
        return str(await asking)


async def test_a_role_that_reads_no_image_is_told_of_none(pages_dsn: str) -> None:
    """A viewer whose role cannot read the images cannot follow them either."""
    async with database.open_reader(pages_dsn) as reader:
        with pytest.raises(PageFault) as refused:
            await OpenStream.of(reader, "pg_monitor")

    assert refused.value.status == 403


async def test_a_role_that_loses_its_right_is_told_no_more(own_dsn: str) -> None:
    """An open page is told for as long as its role may read, and not after that."""
    async with database.open_reader(own_dsn) as reader:
        stream = await OpenStream.of(reader, OPERATOR)
        assert "library/nginx" in await stream.told()
        await logins.run(own_dsn, LOST)
        assert await stream.told() == "the end"


async def test_a_database_that_is_away_ends_no_stream() -> None:
    """While the database is away an open page stays open: its rights cannot change meanwhile."""
    dsn = f"postgresql://someone@127.0.0.1:{free_port()}/x"
    async with database.open_reader(dsn) as reader:
        stream = await OpenStream.of(reader, OPERATOR)
        assert "library/nginx" in await stream.told()
