"""The limits of registries: the newest state of each registry and credential is stored."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.registries import RegistryTable
from imagedrift_schemas.v1 import RegistryState
from support.ingest import NOW
from support.storing import database_of


def state(remaining: int, credential: str = "me") -> RegistryState:
    """A state that a resolver told."""
    return RegistryState(
        registry="r.io", credential=credential, rate_remaining=remaining, observed_at=NOW
    )


class Registries:
    """The table, and what is in it."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._table = RegistryTable(database_of(pool))

    async def store(
        self, *states: tuple[int, RegistryState], epoch: int = 1, surely_newest: bool = False
    ) -> set[int]:
        """Store states of one epoch."""
        return await self._table.store(epoch, states, surely_newest=surely_newest)

    async def remaining(self) -> dict[str, int]:
        """Read what remains of each credential's limit."""
        rows = await self._pool.fetch("SELECT credential, rate_remaining FROM ops.registries")
        return {row["credential"]: row["rate_remaining"] for row in rows}


@pytest.fixture
async def registries(dsn: str) -> AsyncIterator[Registries]:
    """The table of an empty database."""
    async with connection.pool(dsn, connections=1) as pool:
        yield Registries(pool)


async def test_of_one_batch_the_newest_state_counts(registries: Registries) -> None:
    """Each credential of a registry has a limit of its own."""
    assert not await registries.store((2, state(20)), (1, state(10)), (3, state(30, "other")))

    assert await registries.remaining() == {"me": 20, "other": 30}


async def test_an_older_state_changes_nothing(registries: Registries) -> None:
    """An older state has a lower sequence in the same epoch."""
    await registries.store((5, state(50)))
    await registries.store((4, state(40)))

    assert await registries.remaining() == {"me": 50}


async def test_a_bucket_that_was_made_anew_counts_from_one(registries: Registries) -> None:
    """A later epoch goes before a higher sequence."""
    await registries.store((5, state(50)))
    await registries.store((1, state(10)), epoch=2)

    assert await registries.remaining() == {"me": 10}
