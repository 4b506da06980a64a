"""Remarks on rows: which of their hosts are silent or degraded, and what was refused of them."""

from collections.abc import Sequence
from typing import Any

from imagedrift_cli.cells import duration
from imagedrift_cli.database import Reader
from imagedrift_cli.listing import counted, noted

Row = dict[str, Any]

MOST_NAMED = 3


async def on_hosts(reader: Reader, rows: Sequence[Row]) -> list[str]:
    """Say what is wrong with the hosts of these rows."""
    here = {(row["site"], row["host"]) for row in rows}
    if not here:
        return []
    troubled = [
        row for row in await reader.named("troubled_hosts") if (row["site"], row["host"]) in here
    ]
    letters = [
        row for row in await reader.named("letters_of_hosts") if (row["site"], row["host"]) in here
    ]
    return [*_silent(troubled), *_degraded(troubled), *_refused(letters)]


async def on_fleet(reader: Reader, rows: Sequence[Row]) -> list[str]:
    """Say what is wrong with the fleet, beside what its summary counts."""
    degraded = [row for row in await reader.named("troubled_hosts") if row["degraded"]]
    [letters] = await reader.named("letters_of_a_day")
    silent = rows[0]["silent_hosts"] if rows else 0
    told = []
    if silent:
        told.append(noted(f"silent: {counted(silent, 'hosts')}; see `imagedrift hosts --silent`"))
    if degraded:
        told.append(
            noted(f"degraded: {counted(len(degraded), 'hosts')}; see `imagedrift hosts --degraded`")
        )
    if letters["times"]:
        refused = counted(letters["times"], "messages")
        told.append(noted(f"refused in a day: {refused}; see `imagedrift dead-letters`"))
    return told


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
