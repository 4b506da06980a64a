"""`imagedrift watch`: verdicts as they change, a line each, until Ctrl-C.

Rules:
- Changes are read from the stream that keeps them. So none is lost while NATS or the database is
  away: that is said once, and what came meanwhile follows.
- What the stream dropped before it was read is counted on standard error.
- A reader that closes the pipe is noticed without a further line, as by `tail -f`.
"""

import asyncio
import re
import select
import sys
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Final

import click

from imagedrift_cli import cells, changes, display, forms, listing, names, signals
from imagedrift_cli.cells import Row
from imagedrift_cli.database import Reader, database_url
from imagedrift_cli.failures import BadUsage, Unusable
from imagedrift_cli.filter_options import filtered
from imagedrift_cli.filters import OF_A_HOST, Filters, Scope, where
from imagedrift_cli.output import Output, shown
from imagedrift_runtime import clock, settings
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.errors import BusError, NoBus
from imagedrift_runtime.nats.results import StoredMessage
from imagedrift_runtime.nats.stream_reader import StreamReader
from imagedrift_runtime.waiting import given_up_at, wait, wait_for_any
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import Changed

CONNECT_WITHIN_S: Final = 10.0
LOOK_S: Final = 2.0
AGAIN_S: Final = 2.0
SPAN: Final = re.compile(r"(\d{1,6})(s|min|m|h|d|w)")
UNITS: Final = {
    "s": timedelta(seconds=1), "m": timedelta(minutes=1), "min": timedelta(minutes=1),
    "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1),
}  # fmt: skip
LEAST: Final = {"changed_at": 20, "from_verdict": 8, "to_verdict": 8, "running_hosts": 7}
"""Columns that values need which are still to come."""
REFERENCE: Final = {"reference": 60}
OF_IMAGE: Final = (
    "reference = :reference::text", "image_id = :image_id::text", "platform = :platform::text",
)  # fmt: skip


def moment_of(text: str, now: datetime) -> datetime:
    """Read a span before now, or a moment, which is local without a zone. Raises `BadUsage`."""
    try:
        if span := SPAN.fullmatch(text):
            return now - int(span[1]) * UNITS[span[2]]
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise BadUsage(
            f"imagedrift watch: --since {text}: write a span, as 2h or 3d,"
            " or a moment, as 2026-12-24 or 2026-12-24T18:00Z"
        ) from None


@click.command()
@click.option("--since", metavar="SPAN|TIME", help="Begin with what changed since, as 2h.")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many changes.")
@shown(limited=False)
@filtered()
def watch(filters: Filters, output: Output, since: str | None) -> None:
    """Follow verdicts as they change, until Ctrl-C: a line for each local image.

    Reads NATS_URL as a service does; what is older than 14 days is not kept there. With filters of
    hosts, hosts that have the image now are counted; where a filter names something, DATABASE_URL
    is read, too. TEXT has to be in the reference.
    """
    if output.form == "sql":
        raise BadUsage("imagedrift watch follows a stream: it has no -o sql")
    moment = None if since is None else moment_of(since, clock.now())
    try:
        values = settings.load(CommonSettings)
        asyncio.run(Watch(filters, output).run(values, moment))
    except settings.SettingsFault as fault:
        raise BadUsage(str(fault)) from fault
    except BusError as error:
        raise Unusable(f"NATS (NATS_URL): {error}") from error


class Hosts:
    """Counts the hosts that pass and have an image, on one connection while there is work."""

    def __init__(self, filters: Filters) -> None:
        kinds = OF_A_HOST | {"running"}
        self._is_asked = not OF_A_HOST.isdisjoint(filters.kinds)
        self._values = filters.values
        of_hosts = Filters(
            sites=filters.sites, places=filters.places, labels=filters.labels,
            running=filters.running,
        )  # fmt: skip
        self._where = where(of_hosts, Scope(frozenset(kinds)), *OF_IMAGE)
        self._stack = AsyncExitStack()
        self._reader: Reader | None = None

    async def counted(self, row: Row) -> Row:
        """Count anew, if filters of hosts are set. Raises `Unusable`."""
        if not self._is_asked:
            return row
        if self._reader is None:
            self._reader = await self._stack.enter_async_context(Reader.connected(database_url()))
        [found] = await self._reader.composed(
            "changed_within", self._values | row, where=self._where
        )
        return row | found

    async def rest(self) -> None:
        """Close the connection until it is needed again."""
        self._reader = None
        await self._stack.aclose()


class Watch:
    """Follows the changes that pass, and writes them in a form."""

    def __init__(self, filters: Filters, output: Output) -> None:
        self._filters = filters
        self._output = output
        self._hosts = Hosts(filters)
        self._seen = display.current()
        self._writer = forms.Writer(
            output.form,
            self._seen,
            columns=changes.COLUMNS,
            brief=changes.BRIEF,
            header=output.header,
            least=LEAST | REFERENCE,
        )
        self._shown = 0
        self._dropped = 0
        self._is_away = False

    async def run(self, values: CommonSettings, since: datetime | None) -> None:
        """Follow until Ctrl-C or the limit. Raises `NotFound`, `Unusable`, `NoBus` at the start."""
        if {*self._filters.kinds} - {"running", "verdict"} or self._filters.texts:
            async with Reader.connected(database_url()) as reader:
                await names.check_filters(reader, self._filters)
        async with bus.connect(
            values.nats_url, "imagedrift-watch", within_s=CONNECT_WITHIN_S, **values.nats
        ) as nats:
            stop, news = signals.stop_event(), asyncio.Event()

            async def hear(_subject: str, _payload: bytes) -> None:
                news.set()

            await nats.listen(subjects.CHANGED_ALL, hear)
            stream = StreamReader(nats, subjects.STREAM_CHANGED, subjects.CHANGED_ALL)
            oldest = await stream.start(since)
            if since and oldest and oldest.seq > 1 and since < oldest.stored_at:
                _note(f"changes are kept since {oldest.stored_at:%Y-%m-%dT%H:%M:%SZ}")
            self._write([])
            await self._follow(stream, stop, news)
        await self._hosts.rest()
        listing.write(self._writer.end(), self._seen)

    async def _follow(self, reader: StreamReader, stop: asyncio.Event, news: asyncio.Event) -> None:
        message: StoredMessage | None = None
        while not (stop.is_set() or self._shown == self._output.limit):
            try:
                message = message or await given_up_at(stop, reader.read(), None)
                if message is not None:
                    await self._show(message)
            except (NoBus, Unusable) as error:
                await self._tell_away(str(error))
                await wait(stop, AGAIN_S)
                continue
            self._tell_of(reader.dropped)
            if message is None:
                await self._hosts.rest()
                await wait_for_any(LOOK_S, stop, news)
                news.clear()
                _notice_closed_pipe()
            message = None

    async def _show(self, message: StoredMessage) -> None:
        try:
            changed = codec.decode(message.payload, Changed)
        except Malformed as error:
            _note(f"message {message.seq} is passed over: {error}")
            return
        row = changes.row_of(changed)
        if changes.passes(row, self._filters):
            row = await self._hosts.counted(row)
            if row["hosts"] and (row["running_hosts"] or not self._filters.running):
                self._write([row])

    def _write(self, rows: list[Row]) -> None:
        if self._output.form in ("table", "wide"):  # an age would be out of date at once
            rows = [row | {"changed_at": cells.whole(row["changed_at"])} for row in rows]
        listing.write(self._writer.portion(rows), self._seen)
        self._shown += len(rows)

    async def _tell_away(self, why: str) -> None:
        """Say once that a server is away; nothing is lost by it."""
        await self._hosts.rest()
        if not self._is_away:
            _note(f"{why}: waiting for it, and nothing is lost")
        self._is_away = True

    def _tell_of(self, dropped: int) -> None:
        if self._is_away:
            _note("it is there again")
        self._is_away = False
        if dropped > self._dropped:
            lost = listing.counted(dropped - self._dropped, "changes")
            _note(f"{lost} were dropped from the stream before they were read")
            self._dropped = dropped


def _note(text: str) -> None:
    click.echo(listing.noted(text), err=True)


def _notice_closed_pipe() -> None:
    """Raise `BrokenPipeError` where nobody reads any more, though there is nothing to write."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):  # a stream of memory, as in tests
        return
    poll = select.poll()
    poll.register(number, 0)
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        raise BrokenPipeError
