"""Remarks on rows: which of their hosts are silent or degraded, and what was refused of them."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from imagedrift_cli.cells import Row, duration
from imagedrift_cli.database import Reader
from imagedrift_cli.filters import OF_HOSTS, OF_LETTERS, Filters, where
from imagedrift_cli.listing import Remarks, counted, noted

MOST_NAMED = 3


class _Hosts:
    """Remarks on the hosts of rows. Only hosts of which there is something to say are kept."""

    def __init__(self, troubled: Sequence[Row], letters: Sequence[Row]) -> None:
        self._troubled = {(row["site"], row["host"]): row for row in troubled}
        self._letters = {(row["site"], row["host"]): row for row in letters}
        self._of_rows: set[tuple[str, str]] = set()

    def see(self, rows: Sequence[Row]) -> None:
        """Take note of the next rows."""
        here = {(row["site"], row["host"]) for row in rows}
        self._of_rows |= here & (self._troubled.keys() | self._letters.keys())

    def lines(self) -> list[str]:
        """Describe the faults of the rows' hosts."""
        troubled = [row for key, row in self._troubled.items() if key in self._of_rows]
        letters = [row for key, row in self._letters.items() if key in self._of_rows]
        return [*_silent(troubled), *_degraded(troubled), *_refused(letters)]


async def on_hosts(reader: Reader) -> Remarks:
    """Read of which hosts there is something to say."""
    troubled = await reader.named("troubled_hosts")
    return _Hosts(troubled, await reader.named("letters_of_hosts"))


class _Fleet:
    """Remarks on a summary of the fleet."""

    def __init__(self, degraded: int, refused: int) -> None:
        self._degraded = degraded
        self._refused = refused
        self._silent = 0

    def see(self, rows: Sequence[Row]) -> None:
        """Take note of the summary."""
        self._silent += sum(row["silent_hosts"] for row in rows)

    def lines(self) -> list[str]:
        """Describe the faults of the fleet that its summary does not count."""
        refused = counted(self._refused, "messages")
        told = (
            (self._silent, f"silent: {counted(self._silent, 'hosts')}", "hosts --silent"),
            (self._degraded, f"degraded: {counted(self._degraded, 'hosts')}", "hosts --degraded"),
            (self._refused, f"refused in a day: {refused}", "dead-letters"),
        )
        return [
            noted(f"{text}; see `imagedrift {command}`") for number, text, command in told if number
        ]


def on_fleet(filters: Filters) -> Callable[[Reader], Awaitable[Remarks]]:
    """Make the step that reads the faults of the hosts that filters leave."""
    of_hosts = replace(filters, texts=())
    degraded_where = where(of_hosts, OF_HOSTS, "degraded IS NOT NULL")
    letters_where = where(of_hosts, OF_LETTERS, "received_at > now() - interval '1 day'")

    async def read(reader: Reader) -> Remarks:
        [letters] = await reader.composed("letters_of_a_day", filters.values, where=letters_where)
        [degraded] = await reader.composed("degraded_hosts", filters.values, where=degraded_where)
        return _Fleet(degraded["n"], letters["times"])

    return read


def _silent(troubled: Sequence[Row]) -> list[str]:
    silent = [row for row in troubled if row["silent"]]
    if len(silent) > MOST_NAMED:
        many = f"{len(silent)} of these hosts are silent, and their rows may be out of date"
        return [noted(f"{many}: see `imagedrift hosts --silent`")]
    return [
        noted(
            f"{_name(row)} is silent for {duration(row['silent_for'])}: it may have changed since"
        )
        for row in silent
    ]


def _degraded(troubled: Sequence[Row]) -> list[str]:
    degraded = [row for row in troubled if row["degraded"]]
    if len(degraded) > MOST_NAMED:
        many = f"{len(degraded)} of these hosts are degraded"
        return [noted(f"{many}: see `imagedrift hosts --degraded`")]
    return [noted(f"{_name(row)} is degraded: {row['degraded']}") for row in degraded]


def _refused(letters: Sequence[Row]) -> list[str]:
    if len(letters) > MOST_NAMED:
        told = f"messages of {len(letters)} of these hosts were refused in a day"
        return [noted(f"{told}: see `imagedrift dead-letters`")]
    return [
        noted(f"refused of {_name(row)} in a day: {counted(row['times'], 'messages')};"
              f" see `imagedrift dead-letters {row['host']}`")
        for row in letters
    ]  # fmt: skip


def _name(row: Row) -> str:
    return f"{row['site']}/{row['host']}"
