"""`imagedrift top`: what the system does now, again and again until Ctrl-C."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from imagedrift_cli import cells, database, display, listing, signals, tables
from imagedrift_cli.database import Reader
from imagedrift_cli.display import Display
from imagedrift_cli.failures import BadUsage, Unusable
from imagedrift_cli.scan.via_fleet import SharedSettings, connected
from imagedrift_runtime import settings
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.results import ConsumerLag
from imagedrift_schemas import subjects

CLEARED: Final = "\x1b[H\x1b[J"
MOST_BUDGETS: Final = 15
"""Registries that a terminal shows, those with least left first."""
BUDGETS: Final = ("registry", "credential", "rate_limit=limit", "rate_remaining=left",
                  "blocked_until=blocked", "last_error=error")  # fmt: skip


@click.command()
@click.option(
    "--interval", type=click.FloatRange(min=0.5), default=2.0, show_default=True, help="Seconds."
)
@click.option("--once", is_flag=True, help="Look once, as in a pipe.")
def top(interval: float, once: bool) -> None:
    """Show the rates of the last minute, the queues, and the budgets of the registries.

    With NATS_URL also the messages of its streams that are not read yet.
    """
    try:
        nats = settings.load(SharedSettings)
        asyncio.run(_watch(nats, interval, once=once or not display.current().is_terminal))
    except settings.SettingsFault as fault:
        raise BadUsage(str(fault)) from fault
    except BusError as error:
        raise Unusable(f"NATS (NATS_URL): {error}; unset it to see the rest") from error


async def _watch(values: SharedSettings, interval: float, *, once: bool) -> None:
    async with Reader.connected(database.database_url()) as reader, connected(values) as nats:
        if once:
            await _look(reader, nats, "")
            return
        stop = signals.stop_event()
        while not stop.is_set():
            await _look(reader, nats, CLEARED)
            try:
                async with asyncio.timeout(interval):
                    await stop.wait()
            except TimeoutError:
                continue


async def _look(reader: Reader, nats: Bus | None, before: str) -> None:
    async with reader.snapshot():
        [activity] = await reader.named("activity")
        budgets = await reader.named("budgets")
    queues = await _queues(nats) if nats else None
    seen = display.current()
    told = lines(activity, budgets, queues, seen)
    listing.write(before + "".join(f"{line}\n" for line in told), seen)


def lines(
    activity: dict[str, Any],
    budgets: Sequence[dict[str, Any]],
    queues: Mapping[str, Sequence[ConsumerLag]] | None,
    seen: Display,
) -> list[str]:
    """Lay out the work of the system."""
    overdue = cells.duration(activity["overdue_for"]) if activity["due"] else "none"
    first = budgets[:MOST_BUDGETS] if seen.is_terminal else budgets
    cut = f"{len(first)} of {len(budgets)} registries; `imagedrift registries` has all"
    return [
        f"hosts     {activity['hosts']:,}, silent {activity['silent']:,},"
        f" heard {activity['heard_last_minute']:,}/min,"
        f" changed {activity['changed_last_minute']:,}/min,"
        f" not stored {activity['behind']:,}",
        f"lookups   asked {activity['asked_last_minute']:,}/min,"
        f" answered {activity['answered_last_minute']:,}/min,"
        f" failing {activity['failing']:,}",
        f"waiting   due {activity['due']:,}, oldest {overdue}",
        f"queues    {_unread(queues)}",
        "",
        *tables.as_table(first, BUDGETS, seen),
        *([cut] if len(first) < len(budgets) else ()),
    ]


async def _queues(nats: Bus) -> dict[str, Sequence[ConsumerLag]]:
    """Look how far the consumers of each kind of message are. Raises `NoBus`."""
    ingest = subjects.CONSUMER_INGEST
    return {
        "inventories": [await nats.lag(subjects.STREAM_INVENTORY, ingest)],
        "questions": list((await nats.lags(subjects.STREAM_LOOKUP)).values()),
        "answers": [await nats.lag(f"KV_{subjects.BUCKET_DIGESTS}", ingest)],
    }


def _unread(queues: Mapping[str, Sequence[ConsumerLag]] | None) -> str:
    """Say how many messages of each kind no consumer has taken yet, or has not finished."""
    if queues is None:
        return "not looked at, as NATS_URL is not set"
    pending = [f"{name} {sum(lag.pending for lag in lags):,}" for name, lags in queues.items()]
    in_flight = sum(lag.in_flight for lags in queues.values() for lag in lags)
    return f"unread {', '.join(pending)}; in flight {in_flight:,}"
