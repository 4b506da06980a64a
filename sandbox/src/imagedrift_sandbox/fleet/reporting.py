"""Saying on NATS what a whole fleet says, over one connection.

Inventories are stored. `fleet_reports` awaits each, a bounded number at a time, and says it again
until it is acknowledged: nothing counted is lost, whatever happens to the server. `fleet_floods`
is for benchmarks: as fast as an undisturbed server takes them. Heartbeats are not stored.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from imagedrift_runtime.answers import NotPublished
from imagedrift_runtime.bus import Bus
from imagedrift_sandbox.fleet.hosts import Fleet
from imagedrift_schemas import subjects

WINDOW = 256
HEARTBEATS_BETWEEN_FLUSHES = 1000
FLOOD_BETWEEN_ACKS = 250
PATIENCE = 20
PAUSE_S = 0.25


async def fleet_reports(
    bus: Bus,
    fleet: Fleet,
    at: datetime,
    *,
    numbers: Iterable[int] | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Publish the inventories of all hosts, or of these; the number acknowledged."""
    waiting = iter(range(fleet.hosts) if numbers is None else numbers)
    done = await asyncio.gather(
        *(_report_in_turn(bus, fleet, at, waiting, progress) for _ in range(WINDOW))
    )
    return sum(done)


async def fleet_floods(bus: Bus, fleet: Fleet, at: datetime) -> int:
    """Publish the inventories of all hosts; raises unless the stream has taken every one."""
    before = await _taken(bus)
    last = fleet.hosts - 1
    for number in range(fleet.hosts):
        if number == last or number % FLOOD_BETWEEN_ACKS == 0:
            await _report(bus, *fleet.report(number, at))  # back-pressure: all before it are in
        else:
            await bus.say(*fleet.report(number, at))
    if (taken := await _taken(bus) - before) != fleet.hosts:
        raise RuntimeError(f"the stream took {taken} of {fleet.hosts} inventories")
    return fleet.hosts


async def fleet_lives(
    bus: Bus, fleet: Fleet, at: datetime, *, numbers: Iterable[int] | None = None
) -> int:
    """Publish a heartbeat of all hosts, or of these; the number sent."""
    sent = 0
    for number in range(fleet.hosts) if numbers is None else numbers:
        await bus.say(*fleet.heartbeat(number, at))
        sent += 1
        if sent % HEARTBEATS_BETWEEN_FLUSHES == 0:
            await bus.probe()
    await bus.probe()
    return sent


async def _report_in_turn(
    bus: Bus,
    fleet: Fleet,
    at: datetime,
    waiting: Iterator[int],
    progress: Callable[[int], object],
) -> int:
    done = 0
    for number in waiting:
        await _report(bus, *fleet.report(number, at))
        progress(1)
        done += 1
    return done


async def _report(bus: Bus, subject: str, payload: bytes) -> None:
    """Publish until it is acknowledged: saying it twice does no harm, the newest one counts."""
    for left in reversed(range(PATIENCE)):
        try:
            await bus.publish(subject, payload)
        except NotPublished:
            if left == 0:
                raise
            await asyncio.sleep(PAUSE_S)
        else:
            return


async def _taken(bus: Bus) -> int:
    """How many inventories the stream has ever taken."""
    info = await bus.js.stream_info(subjects.STREAM_INVENTORY)
    return int(info.state.last_seq)
