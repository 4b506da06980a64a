"""History that one host can write has a bound, and what it has now is stored all the same."""

import pytest

from imagedrift_ingest.adapters.postgres import hosts
from support.ingest import image
from support.planning import Planned, planning

MOST = 4


async def changes(planned: Planned, host: str) -> int:
    """How many changes of a host are noted."""
    found: int = await planned.database.pool.fetchval(
        "SELECT count(*) FROM ops.host_history WHERE host = $1", host
    )
    return found


async def test_a_host_that_alternates_between_two_states_fills_no_table(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes beyond a day's number are not noted; the host's rows and others' changes are."""
    monkeypatch.setattr(hosts, "CHANGES_A_DAY", MOST)
    async with planning(dsn, outstanding=10) as planned:
        for turn in range(3 * MOST + 1):
            await planned.has("bad", image(version=turn % 2))
        assert await changes(planned, "bad") == MOST
        [row] = await planned.database.pool.fetch("SELECT image_id FROM ops.comparisons")
        assert row["image_id"] == image(version=0).image_id

        await planned.has("good", image(version=0))
        await planned.has("good", image(version=1))
        assert await changes(planned, "good") == 1
