"""Signs of life: who lives, and whether what is stored is what the host has."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connect
from imagedrift_ingest.adapters.postgres.connect import Database
from imagedrift_ingest.adapters.postgres.dictionary import Dictionary
from imagedrift_ingest.adapters.postgres.hosts import Hosts
from imagedrift_ingest.adapters.postgres.keys import HostKeys
from imagedrift_ingest.adapters.postgres.signs import Signs
from imagedrift_ingest.adapters.postgres.upkeep import Upkeep
from imagedrift_ingest.core import inventories
from imagedrift_ingest.core.inventories import Keys, Sign
from imagedrift_schemas import codec, subjects
from support.ingest import NOW, image, inventory

WEB = ("fra1", "web-1")
LATER = NOW + timedelta(minutes=5)
NEWEST = inventory("web-1", [image()])
HASH = bytes.fromhex(NEWEST.content[7:])


class Stored:
    """A database in which the host is, and what notes its signs of life."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool
        database = Database(pool)
        dictionary = Dictionary(database)
        keys = HostKeys(database, dictionary)
        self.hosts = Hosts(database, dictionary, keys)
        self.signs = Signs(database, keys)
        self.upkeep = Upkeep(database)

    async def reports(self, seq: int = 1) -> None:
        """Store the host's inventory."""
        said = inventories.read(
            subjects.inventory(*WEB), codec.encode(NEWEST), seq, NOW + timedelta(seconds=seq)
        )
        images = {WEB: inventories.images_of(said.envelope.images, Keys())}
        assert await self.hosts.changed([said]) <= {WEB}
        await self.hosts.remember(1, [said], images)

    async def degraded(self) -> str | None:
        """What operators are told."""
        told: str | None = await self.pool.fetchval("SELECT degraded FROM ops.hosts")
        return told


@pytest.fixture
async def stored(dsn: str) -> AsyncIterator[Stored]:
    """The host, with its inventory."""
    async with connect.pool(dsn, connections=1) as pool:
        made = Stored(pool)
        await made.reports()
        yield made


async def test_a_host_that_has_other_images_than_are_stored_is_shown_as_behind(
    stored: Stored,
) -> None:
    """Until its inventory is stored; for a sign that was on its way when it changed it is not."""
    other = Sign(bytes(32), 300, "")
    await stored.signs.note(NOW + timedelta(seconds=5), {WEB: other})
    assert await stored.degraded() is None
    await stored.signs.note(LATER, {WEB: other})
    assert "newest inventory is not stored" in str(await stored.degraded())
    await stored.signs.note(LATER + timedelta(seconds=1), {WEB: Sign(bytes(32), 300, "no engine")})
    assert await stored.degraded() == "no engine"
    await stored.reports(seq=2)
    assert await stored.degraded() is None


@pytest.mark.parametrize("content", [HASH, None], ids=["the same", "none"])
async def test_a_host_that_has_what_is_stored_or_cannot_tell_is_not_behind(
    stored: Stored, content: bytes | None
) -> None:
    """The same hash, or none because its engine never answered."""
    await stored.signs.note(LATER, {WEB: Sign(content, 300, "")})
    assert await stored.degraded() is None
    assert await stored.pool.fetchval("SELECT last_seen_at FROM ops.hosts") == LATER


async def test_a_host_never_heard_of_is_left_to_its_inventory(stored: Stored) -> None:
    """A sign of life makes no host."""
    await stored.signs.note(LATER, {("fra1", "new"): Sign(HASH, 300, "")})
    assert await stored.pool.fetchval("SELECT count(*) FROM fleet.hosts") == 1


async def test_keys_of_an_emptied_database_are_void(stored: Stored) -> None:
    """What is remembered of the database before is forgotten, for signs and inventories."""
    await stored.signs.note(LATER, {WEB: Sign(HASH, 300, "")})
    await stored.upkeep.empty()
    await stored.signs.note(LATER, {WEB: Sign(HASH, 300, "")})
    await stored.reports()
    await stored.signs.note(LATER, {WEB: Sign(HASH, 60, "")})
    assert await stored.pool.fetchval("SELECT last_seen_at FROM ops.hosts") == LATER
