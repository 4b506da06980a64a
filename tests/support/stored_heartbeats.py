"""Inventories and heartbeats that are stored without NATS."""

from datetime import timedelta

import asyncpg
from msgspec.structs import replace

from imagedrift_ingest.adapters.postgres.heartbeats import StoredHeartbeats
from imagedrift_ingest.adapters.postgres.host_ids import HostIds
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.core import inventories
from imagedrift_ingest.core.identities import IdentityCache
from imagedrift_ingest.core.images import images_of
from imagedrift_schemas import codec, subjects
from support.ingest import NOW, image, inventory
from support.storing import comparison_ids_on, database_of, hosts_on, maintain_on

WEB = ("fra1", "web-1")

LATER = NOW + timedelta(minutes=5)

NEWEST = inventory("web-1", [image()])

HASH = bytes.fromhex(NEWEST.content[7:])


class Stored:
    """A database in which the host is, and what notes its heartbeats."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool
        database = database_of(pool)
        comparisons = comparison_ids_on(database)
        keys = HostIds(database, comparisons)
        self.hosts = hosts_on(database, comparisons, keys)
        self.heartbeats = StoredHeartbeats(database, keys)
        self.tables = MaintainedTables(database)
        self.maintain = maintain_on(database)

    async def reports(self, seq: int = 1, boot: str = "") -> None:
        """Store the host's inventory."""
        payload = codec.encode(replace(NEWEST, boot=boot))
        received = inventories.read(
            subjects.inventory(*WEB), payload, seq, NOW + timedelta(seconds=seq)
        )
        images = {
            WEB: images_of(received.envelope.images, IdentityCache().reading(), received.seen_at)
        }
        assert await self.hosts.changed([received]) <= {WEB}
        await self.hosts.store(1, [received], images, surely_newest=False)

    async def degraded(self) -> str | None:
        """Return the reason in `degraded`, as operators read it."""
        told: str | None = await self.pool.fetchval("SELECT degraded FROM ops.hosts")
        return told
