"""The statements have the same rule as `core.order`: which of two messages is the newer one."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import product

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.dead_letters import DeadLetterTable
from imagedrift_ingest.adapters.postgres.registries import RegistryTable
from imagedrift_ingest.core import inventories
from imagedrift_ingest.core.identities import IdentityCache
from imagedrift_ingest.core.images import images_of
from imagedrift_ingest.core.order import Position, compare
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import DeadLetter, RegistryState
from support.ingest import NGINX, NOW, answer, image, inventory
from support.storing import answers_on, database_of, hosts_on

STORED = Position(5, 10, NOW)
AFTER = int(NOW.timestamp()) * 1_000_000 + 10_000_000
"""When a stream was made that was restored from a backup after all of these were said."""
PLACES = [
    Position(epoch, seq, NOW + timedelta(seconds=second))
    for epoch, seq, second in product((4, 5, 6, AFTER), (9, 10, 11), (-1, 0, 1))
]

Say = Callable[[Position, bool], Awaitable[set[int]]]
"""Says something under a place, surely newest or not; the sequences in doubt."""


def hosts(pool: "asyncpg.Pool[asyncpg.Record]") -> Say:
    """An inventory."""
    database = database_of(pool)
    store = hosts_on(database)
    payload = codec.encode(inventory("web-1", [image()]))

    async def say(place: Position, surely: bool) -> set[int]:
        assert place.at
        received = inventories.read(
            subjects.inventory("fra1", "web-1"), payload, place.seq, place.at
        )
        images = {
            ("fra1", "web-1"): images_of(
                received.envelope.images, IdentityCache().reading(), place.at
            )
        }
        return await store.store(place.epoch, [received], images, surely_newest=surely)

    return say


def answers(pool: "asyncpg.Pool[asyncpg.Record]") -> Say:
    """An answer."""
    store = answers_on(database_of(pool))

    async def say(place: Position, surely: bool) -> set[int]:
        messages = {NGINX: (place.seq, answer(checked_at=place.at))}
        return await store.store(place.epoch, messages, [], surely_newest=surely, read_to=place.seq)

    return say


def registries(pool: "asyncpg.Pool[asyncpg.Record]") -> Say:
    """Return a registry's state."""
    store = RegistryTable(database_of(pool))

    async def say(place: Position, surely: bool) -> set[int]:
        assert place.at
        state = RegistryState(registry="r.io", credential="anonymous", observed_at=place.at)
        return await store.store(place.epoch, [(place.seq, state)], surely_newest=surely)

    return say


KINDS: dict[Callable[..., Say], tuple[str, str]] = {
    hosts: ("fleet.host_state", "said_at"),
    answers: ("fleet.answers", "attempted_at"),
    registries: ("fleet.registry_states", "observed_at"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_stored_follows_the_rule(dsn: str, kind: Callable[..., Say]) -> None:
    """A newer message is stored, an older one is not, and one in doubt when it is the newest."""
    table, moment = KINDS[kind]
    async with connection.pool(dsn, connections=1) as pool:
        say = kind(pool)

        async def stored() -> Position:
            row = await pool.fetchrow(f"SELECT epoch, seq, {moment} AS at FROM {table}")
            assert row is not None
            return Position(**dict(row))

        await say(STORED, False)
        place = f"UPDATE {table} SET epoch = $1, seq = $2, {moment} = $3"
        for offered, surely in product(PLACES, (False, True)):
            await pool.execute(place, STORED.epoch, STORED.seq, STORED.at)
            expected = compare(offered, STORED)
            doubted = await say(offered, surely)
            is_new = expected == "newer" or (surely and expected == "doubtful")
            assert await stored() == (offered if is_new else STORED), (offered, surely)
            assert doubted == ({offered.seq} if expected == "doubtful" and not surely else set())


async def test_letters_of_a_stream_that_was_restored_are_kept_beside_those_of_before(
    dsn: str,
) -> None:
    """Dead letters of a restored stream are kept beside the earlier ones."""
    async with connection.pool(dsn, connections=1) as pool:
        store = DeadLetterTable(database_of(pool))
        for subject in ("before", "since", "since"):
            letter = DeadLetter(service="s", subject=subject, reason="r", received_at=NOW)
            await store.store(5, [(10, letter)])
        rows = await pool.fetch("SELECT subject, times FROM ops.dead_letters ORDER BY subject")
    assert [tuple(row) for row in rows] == [("before", 1), ("since", 1)]
