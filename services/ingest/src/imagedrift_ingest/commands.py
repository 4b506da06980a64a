"""What an operator runs by hand: upkeep now, and rebuilding the database from NATS."""

from collections.abc import Sequence

from msgspec import Struct

from imagedrift_ingest import migrations
from imagedrift_ingest.adapters.jetstream import READ_BY_INGEST
from imagedrift_ingest.adapters.postgres import connect
from imagedrift_ingest.adapters.postgres.upkeep import Upkeep
from imagedrift_ingest.core.retention import Retention
from imagedrift_runtime.nats.bus import Bus
from imagedrift_schemas import subjects


class Maintained(Struct, frozen=True):
    """What upkeep did: how many of each."""

    done: dict[str, int]


async def maintain(dsn: str, retention: Retention | None = None) -> Maintained:
    """Do all upkeep once. Safe at any time, also while ingest runs."""
    async with connect.pool(dsn, connections=1) as pool:
        upkeep = Upkeep(connect.Database(pool), retention)
        done = await upkeep.tidy()
        done["images_counted"] = await upkeep.add_up_usage()
        done["references_counted"] = await upkeep.count_hosts()
        done["trend_taken"] = await upkeep.take_trend()
        return Maintained(done)


async def forget(dsn: str, site: str, host: str) -> None:
    """Give up a host now, as upkeep does after a long silence. One that speaks counts again."""
    async with connect.pool(dsn, connections=1) as pool:
        await Upkeep(connect.Database(pool)).forget(site, host)


async def rebuild(dsn: str, bus: Bus, *, empty: bool = False) -> Sequence[str]:
    """Fill the database from what NATS has: the streams that are read again.

    Brings the schema up to date first. With `empty` every fact is forgotten before; without it
    what is there stays where it is as new. Ingest does the rest, and need not be stopped.
    """
    await migrations.migrate(dsn)
    if empty:
        async with connect.pool(dsn, connections=1) as pool:
            await Upkeep(connect.Database(pool)).empty()
    for stream in READ_BY_INGEST:
        await bus.reset_consumer(stream, subjects.CONSUMER_INGEST)
    return READ_BY_INGEST
