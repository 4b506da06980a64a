"""Tables as CSV, of rows that never end or break off."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from imagedrift_dashboard.adapters import csv_tables
from imagedrift_dashboard.adapters.database import RolePools, ViewReader
from imagedrift_dashboard.core.access import Viewer
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.pages import places

PAGE = places.places(Location(path="/places"))
COLUMNS = PAGE.sections[0].query.row.__struct_fields__
ROW: Any = dict.fromkeys(COLUMNS, "x")


class EndlessReader(ViewReader):
    """A reader whose rows end only where it is told to fail."""

    def __init__(self, portions: int | None = None) -> None:
        super().__init__(RolePools("", {}), 1)
        self._portions = portions
        self.is_closed = False

    async def every_row(self, _query: object, _role: str) -> AsyncGenerator[list[Any], None]:
        """Yield the same row again and again."""
        given = 0
        try:
            while self._portions is None or given < self._portions:
                yield [ROW]
                given += 1
            raise PageFault(503, "the database cannot be reached", "Start it.")
        finally:
            self.is_closed = True


async def respond(reader: ViewReader, *, is_head: bool = False) -> Response:
    """Begin the response with the table of places."""
    return await csv_tables.respond(PAGE, "places", reader, Viewer(), is_head=is_head)


async def send_until_gone(response: Response, most: int = 100) -> list[Any]:
    """Send a response to a client that goes after so many messages; what it was sent."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        if len(messages) == most:
            raise OSError("the client has gone")
        messages.append(message)

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    await response(scope, None, send)  # type: ignore[arg-type]  # nothing is received
    return messages


async def test_a_question_about_a_table_reads_its_first_portion_alone() -> None:
    """HEAD is answered with the headers of GET, however many rows there are."""
    reader = EndlessReader()

    [start, body] = await send_until_gone(await respond(reader, is_head=True))

    assert start["status"] == 200
    assert (b"content-type", b"text/csv; charset=utf-8") in start["headers"]
    assert body["body"] == b""
    assert reader.is_closed


@pytest.mark.parametrize("most", [0, 1, 3])
async def test_a_client_that_goes_lets_the_database_go(most: int) -> None:
    """A table that nobody reads any more holds no connection."""
    reader = EndlessReader()

    with pytest.raises(ClientDisconnect):
        await send_until_gone(await respond(reader), most=most)

    assert reader.is_closed


async def test_a_table_that_breaks_off_has_no_end() -> None:
    """A database that goes away in the middle raises nothing; the body lacks its end."""
    messages = await send_until_gone(await respond(EndlessReader(portions=3)))

    assert messages[0]["status"] == 200
    assert [each["more_body"] for each in messages[1:]] == [True] * 3
    assert messages[1]["body"].startswith(",".join(COLUMNS).encode())
