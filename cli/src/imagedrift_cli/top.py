"""`imagedrift top`: what the system does now, again and again until Ctrl-C."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import click

from imagedrift_cli import cells, database, display, listing, signals, tables
from imagedrift_cli.database import Reader
from imagedrift_cli.display import Display

CLEARED: Final = "\x1b[H\x1b[J"
BUDGETS: Final = ("registry", "credential", "rate_limit=limit", "rate_remaining=left",
                  "blocked_until=blocked", "last_error=error")  # fmt: skip


@click.command()
@click.option(
    "--interval", type=click.FloatRange(min=0.5), default=2.0, show_default=True, help="Seconds."
)
@click.option("--once", is_flag=True, help="Look once, as in a pipe.")
def top(interval: float, once: bool) -> None:
    """What the system does: rates of the last minute, what waits, and the registries' budgets."""
    asyncio.run(_watch(interval, once=once or not display.current().is_terminal))


async def _watch(interval: float, *, once: bool) -> None:
    async with Reader.connected(database.database_url()) as reader:
        if once:
            await _look(reader, "")
            return
        stop = signals.asked()
        while not stop.is_set():
            await _look(reader, CLEARED)
            try:
                async with asyncio.timeout(interval):
                    await stop.wait()
            except TimeoutError:
                continue


async def _look(reader: Reader, before: str) -> None:
    async with reader.snapshot():
        [activity] = await reader.named("activity")
        budgets = await reader.named("budgets")
    seen = display.current()
    listing.write(before + "".join(f"{line}\n" for line in lines(activity, budgets, seen)), seen)


def lines(activity: dict[str, Any], budgets: Sequence[dict[str, Any]], seen: Display) -> list[str]:
    """Lay out what the system does."""
    overdue = cells.duration(activity["overdue_for"]) if activity["due"] else "none"
    return [
        f"hosts     {activity['hosts']:,}, silent {activity['silent']:,},"
        f" heard {activity['heard_last_minute']:,}/min,"
        f" changed {activity['changed_last_minute']:,}/min,"
        f" not stored {activity['behind']:,}",
        f"lookups   asked {activity['asked_last_minute']:,}/min,"
        f" answered {activity['answered_last_minute']:,}/min,"
        f" failing {activity['failing']:,}",
        f"waiting   due {activity['due']:,}, oldest {overdue}",
        "",
        *tables.as_table(budgets, BUDGETS, seen),
    ]
