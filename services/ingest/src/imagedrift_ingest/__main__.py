"""`imagedrift-ingest`: wires ingest and runs it until it is told to stop."""

import asyncio
import gc
import sys
from functools import partial

import msgspec
import structlog

from imagedrift_ingest.adapters.postgres import connection, migrations
from imagedrift_ingest.errors import DatabaseUnavailable, ServerUnavailable
from imagedrift_ingest.settings import IngestSettings
from imagedrift_ingest.wiring import Periods, Wiring
from imagedrift_runtime import process
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.nats import bus, consumer
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.periodic import Periodic
from imagedrift_runtime.process import Process
from imagedrift_runtime.registries.watched_file import LiveRegistries
from imagedrift_runtime.settings import SettingsFault, read_again
from imagedrift_runtime.waiting import wait
from imagedrift_schemas import subjects

log = structlog.get_logger()

SERVICE = "imagedrift-ingest"
ABOUT = "imagedrift-ingest: inventories and answers in, facts, comparisons and questions out."
OTHER_CONNECTIONS = 4
AWAITED_EVERY_S = 0.5
COLLECT_EVERY = 50_000
"""New objects between two searches for cycles: a batch makes tens of thousands, none in a cycle."""
EVERY = Periods()


async def start(settings: IngestSettings, run: Process, every: Periods = EVERY) -> None:
    """Run until asked to stop."""
    registries, clock = LiveRegistries(settings.registries), SystemClock()
    pool = connection.pool(
        settings.database_url,
        connections=settings.workers + OTHER_CONNECTIONS,
        statement_cache_size=settings.statement_cache,
        read_again=partial(read_again, IngestSettings, "database_url"),
    )
    nats = bus.connect(settings.nats_url, SERVICE, **settings.nats, health=run.health)
    async with pool as connections, nats as connected:
        database = connection.Database(connections, run.health, clock)
        wiring = Wiring(settings, run, database, connected, registries, clock)
        await _await_database(wiring, run)
        if not run.stopping.is_set():
            await _serve(wiring, connected, settings.batch, run, every)


async def _await_database(wiring: Wiring, run: Process) -> None:
    """Wait for the database; refuse to work on another schema than ours."""
    while not run.stopping.is_set():
        try:
            await wiring.prepare()
        except migrations.WrongSchema as error:
            raise SettingsFault([f"DATABASE_URL: {error}"]) from error
        except DatabaseUnavailable as error:
            log.warning("database.awaited", error=str(error))
            await wait(run.stopping, AWAITED_EVERY_S)
        else:
            return


async def _serve(wiring: Wiring, nats: Bus, size: int, run: Process, every: Periods) -> None:
    """Handle what comes in, and repeat all work, until asked to stop."""
    await wiring.begin()
    periodic = Periodic(run.works, run.stopping, postponed_by=(ServerUnavailable,))
    handle = partial(
        consumer.handle_batches, nats, service="ingest", size=size, stopping=run.stopping
    )
    async with asyncio.TaskGroup() as tasks:
        for stream, handler in wiring.handlers():
            tasks.create_task(handle(stream, subjects.CONSUMER_INGEST, handler))
        for work in wiring.works(every):
            tasks.create_task(periodic.repeat(**msgspec.structs.asdict(work)))


def main() -> int:
    """Run the service; the exit code."""
    gc.freeze()  # modules stay
    gc.set_threshold(COLLECT_EVERY)
    return process.run(SERVICE, IngestSettings, start, about=ABOUT, parts=("nats", connection.PART))


if __name__ == "__main__":
    sys.exit(main())
