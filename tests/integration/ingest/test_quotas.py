"""One host brings a bounded number of new images a day, and loses none of them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from imagedrift_schemas.v1 import LocalImage
from support.ingest import image
from support.planning import Planned, planning
from support.storing import comparison_ids_on, hosts_on, maintain_on

MOST = 5


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """Ingest with a small quota."""
    async with planning(dsn, outstanding=100) as made:
        restart(made)
        yield made


def restart(planned: Planned) -> None:
    """Begin with nothing remembered, as a second replica does."""
    planned.use(hosts_on(planned.database, comparison_ids_on(planned.database, most_new=MOST)))


async def stored_and_skipped(planned: Planned, host: str) -> tuple[int, Any]:
    """How many images of a host are stored, and what operators are told of the others."""
    row = await planned.database.pool.fetchrow(
        "SELECT images, skipped::text AS skipped FROM ops.hosts WHERE host = $1", host
    )
    assert row is not None
    return row["images"], row["skipped"]


def many(count: int, start: int = 0) -> list[LocalImage]:
    """Images that no host has."""
    return [image(f"docker.io/big/app{n}:1") for n in range(start, start + count)]


async def test_what_is_over_the_quota_is_left_out_and_told(planned: Planned) -> None:
    """Images over the quota are left out and counted, and other hosts are not affected."""
    await planned.has("big", *many(8))
    await planned.has("small", *many(3, start=100))
    assert await stored_and_skipped(planned, "big") == (5, '{"over_quota": 3}')
    assert await stored_and_skipped(planned, "small") == (3, "{}")
    assert await planned.database.pool.fetchval("SELECT count(*) FROM fleet.image_refs") == 8


async def test_neither_a_restart_nor_another_replica_gives_more(planned: Planned) -> None:
    """The quota holds over restarts and for all replicas."""
    for start in range(0, 40, 4):
        restart(planned)
        await planned.has("big", *many(4, start))
    assert await planned.database.pool.fetchval("SELECT count(*) FROM fleet.comparisons") == MOST


async def test_images_that_others_have_are_in_no_quota(planned: Planned) -> None:
    """Images that other hosts have count for no quota."""
    await planned.has("one", *many(5))
    await planned.has("two", *many(5))
    await planned.has("two", *many(8))
    assert await stored_and_skipped(planned, "two") == (8, "{}")
    sql = "SELECT made FROM fleet.host_quotas ORDER BY host_id"
    assert [row["made"] for row in await planned.database.pool.fetch(sql)] == [5, 3]


async def test_a_host_is_read_again_on_the_next_day_although_it_says_nothing_new(
    planned: Planned,
) -> None:
    """Images over the quota are stored on the next day, without a change of the host."""
    await planned.has("big", *many(8))
    await planned.has("big", *many(8))
    assert (await stored_and_skipped(planned, "big"))[0] == 5
    await planned.database.pool.execute("UPDATE fleet.host_quotas SET day = day - 1")
    await planned.database.pool.execute(
        "UPDATE fleet.host_state"
        " SET reconciled_at = date_trunc('day', now(), 'UTC') - interval '1 s'"
    )
    await planned.has("big", *many(8))
    assert await stored_and_skipped(planned, "big") == (8, "{}")


async def test_counts_of_days_that_are_over_are_dropped(planned: Planned) -> None:
    """The counts of past days are removed."""
    await planned.has("big", *many(2))
    assert (await maintain_on(planned.database).tidy())["quotas_dropped"] == 0
    await planned.database.pool.execute("UPDATE fleet.host_quotas SET day = day - 1")
    assert (await maintain_on(planned.database).tidy())["quotas_dropped"] == 1
