"""The commands of an operator: maintenance now, and rebuilding the database from NATS."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from imagedrift_ingest.adapters.jetstream.streams import reset_consumers
from imagedrift_ingest.adapters.postgres import connection, migrations
from imagedrift_ingest.adapters.postgres.fleet_counts import FleetCountTables
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.adapters.postgres.turns import TURN_CONNECTIONS, TurnTable
from imagedrift_ingest.core.retention import Retention
from imagedrift_ingest.usecases.maintain import Maintain
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.health import Health
from imagedrift_runtime.nats.bus import Bus


class MaintenanceResult(Struct, frozen=True):
    """The result of maintenance: how many of each."""

    done: dict[str, int]


async def maintain(dsn: str, retention: Retention | None = None) -> MaintenanceResult:
    """Do all maintenance once. Safe at any time, also while ingest runs."""
    clock, health = SystemClock(), Health()
    async with connection.database(
        dsn, connections=TURN_CONNECTIONS, health=health, clock=clock
    ) as database:
        turns = TurnTable(database, health, clock)
        work = Maintain(MaintainedTables(database), turns, retention or Retention(), clock)
        done = await work.tidy()
        done["images_counted"] = await work.add_up_usage()
        done["references_counted"] = await work.count_hosts()
        fleet = FleetCountTables(database)
        done["due_counted"] = await turns.run("count_fleet", fleet.count_due) or 0
        done["fleet_counted"] = await turns.run("count_fleet", fleet.count_hosts_and_images) or 0
        done["trend_taken"] = await work.take_trend()
        return MaintenanceResult(done)


async def forget(dsn: str, site: str, host: str) -> None:
    """Give up a host now, as maintenance does after a long silence. A heartbeat revives it."""
    async with _tables(dsn) as tables:
        await tables.retire(site, host)


async def rebuild(dsn: str, bus: Bus, *, empty: bool = False) -> Sequence[str]:
    """Fill the database from the streams of NATS, and name those that are read again.

    Brings the schema up to date first. With `empty` every fact is deleted before; without it
    what is as new as in NATS stays. Ingest does the rest, and need not be stopped.
    """
    await migrations.migrate(dsn)
    if empty:
        async with _tables(dsn) as tables:
            await tables.empty()
    return await reset_consumers(bus)


@asynccontextmanager
async def _tables(dsn: str) -> AsyncIterator[MaintainedTables]:
    async with connection.database(
        dsn, connections=1, health=Health(), clock=SystemClock()
    ) as database:
        yield MaintainedTables(database)
