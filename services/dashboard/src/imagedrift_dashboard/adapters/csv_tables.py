"""Tables as CSV: all rows of a section, sent while they are read.

The first portion is read before the response begins: the database may refuse. Where it fails later,
the end of the body is not sent, so that the reader knows that rows are missing.
"""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from anyio import move_on_after
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from imagedrift_dashboard.adapters.database import ViewReader
from imagedrift_dashboard.core.access import Viewer
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.pages.page import Page, Section
from imagedrift_runtime import value_text
from imagedrift_runtime.logs import get_logger

log = get_logger()

LET_GO_WITHIN_S: Final = 5.0
_MEDIA_TYPE: Final = "text/csv; charset=utf-8"


class _CsvResponse(StreamingResponse):
    def __init__(
        self, first: str, others: AsyncGenerator[str, None], headers: Mapping[str, str]
    ) -> None:
        super().__init__(_all(first, others), headers=headers, media_type=_MEDIA_TYPE)
        self._others = others

    async def stream_response(self, send: Send) -> None:
        """Send the portions, and no end of the body where they break off.

        Whatever ends it, the database is let go at once, and in order: where the client has gone,
        the framework cancels whatever is awaited.
        """
        try:
            await super().stream_response(send)
        except PageFault as fault:
            log.warning("csv.broken_off", error=fault.wrong)
        finally:
            with move_on_after(LET_GO_WITHIN_S, shield=True):
                await self._others.aclose()


async def respond(
    page: Page, name: str, reader: ViewReader, viewer: Viewer, *, is_head: bool
) -> Response:
    """Make the response with all rows of a section; of its headers alone. Raises `PageFault`."""
    section = next((each for each in page.sections if each.name == name), None)
    if section is None:
        has = ", ".join(each.name for each in page.sections)
        raise PageFault(404, f"this page has no table {name}", f"Its tables are: {has}.")
    portions = _portions(section, reader, viewer)
    first = await anext(portions)
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    if is_head:
        await portions.aclose()
        return Response(media_type=_MEDIA_TYPE, headers=headers)

    return _CsvResponse(first, portions, headers)


async def _all(first: str, others: AsyncGenerator[str, None]) -> AsyncIterator[str]:
    yield first
    async for each in others:
        yield each


async def _portions(
    section: Section[Any], reader: ViewReader, viewer: Viewer
) -> AsyncGenerator[str, None]:
    columns = list(section.query.row.__struct_fields__)
    head = _lines([columns])
    async with aclosing(reader.every_row(section.query, viewer.role)) as portions:
        async for rows in portions:
            lines = ([value_text.no_formula(row[name]) for name in columns] for row in rows)
            yield head + _lines(lines)
            head = ""
    if head:
        yield head


def _lines(lines: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(lines)
    return buffer.getvalue()
