"""`imagedrift-ingest`: wires ingest and runs it until it is told to stop."""

import gc
import sys
from functools import partial

from imagedrift_runtime.import_guard import without_collecting

with without_collecting():
    from imagedrift_ingest.adapters.postgres import connection
    from imagedrift_ingest.parts import Parts
    from imagedrift_ingest.settings import IngestSettings
    from imagedrift_ingest.wiring import Periods, Wiring
    from imagedrift_runtime import process
    from imagedrift_runtime.clock import SystemClock
    from imagedrift_runtime.nats import bus
    from imagedrift_runtime.process import Process
    from imagedrift_runtime.registries.watched_file import LiveRegistries
    from imagedrift_runtime.settings import read_again

SERVICE = "imagedrift-ingest"
ABOUT = "imagedrift-ingest: inventories and answers in, facts, comparisons and questions out."
OTHER_CONNECTIONS = 5
COLLECT_EVERY = 200_000
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
        wiring = Wiring(Parts(settings, run, database, connected, registries, clock))
        await wiring.await_database()
        if not run.stopping.is_set():
            await wiring.serve(every)


def main() -> int:
    """Run the service and return the exit code."""
    gc.set_threshold(COLLECT_EVERY)
    return process.run(SERVICE, IngestSettings, start, about=ABOUT, parts=("nats", connection.PART))


if __name__ == "__main__":
    sys.exit(main())
