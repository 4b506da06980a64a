"""Moments that a clock ahead has written hold nothing up once the clock is right."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.far_moments import FarMoments
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Limited, Unreachable
from support.ingest import NGINX, image
from support.listing import tags_listed
from support.planning import POLICY, Planned, planning

AHEAD = timedelta(days=60)
OTHER = "docker.io/library/other:1"


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets one question of a registry be out at a time."""
    async with planning(dsn, outstanding=1) as made:
        yield made


@pytest.fixture
def moments(planned: Planned) -> FarMoments:
    """The moments in its tables."""
    return FarMoments(planned.database, POLICY)


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as its owner sees it."""
    opened = await asyncpg.connect(dsn)
    yield opened
    await opened.close()


async def test_a_question_lost_while_a_clock_was_ahead_is_asked_again(
    planned: Planned, moments: FarMoments
) -> None:
    """A question asked by a clock ahead is asked again, and takes no other question's room."""
    await planned.has("web-1", image(), image(OTHER))
    assert await planned.names(now() + AHEAD) == [NGINX]
    assert await planned.names() == []

    assert await moments.bring_back(now()) == 1

    assert await planned.names() == [NGINX]
    await planned.answered(NGINX)
    assert await planned.names() == [OTHER]


async def test_moments_that_can_be_stay(planned: Planned, moments: FarMoments) -> None:
    """Failures, blocks of a day and lists are not brought back, whichever clock is behind."""
    await planned.has("web-1", image(running=1), image(OTHER), image("quay.io/a/b:1"))
    await planned.asks()
    await planned.answered(NGINX)
    await planned.answered(OTHER, outcome=Unreachable())
    await planned.answered("quay.io/a/b:1", outcome=Limited(until=now() + timedelta(days=9)))
    await planned.told("quay.io", blocked_until=now() + timedelta(hours=24))
    await planned.follows()
    await planned.lists_asked()
    await planned.listed(tags_listed(["1", "2"], repository="docker.io/library/nginx"))
    await planned.asks()

    for clock in (now(), now() - AHEAD, now() + AHEAD):
        assert await moments.bring_back(clock) == 0


FAR = {
    "answers": "next_check_at",
    "tag_lists": "next_list_at",
    "descriptions": "next_ask_at",
    "registry_states": "get_blocked_until",
    "host_state": "last_seen_at",
    "comparisons": "verdict_since",
    "newer": "since",
    "bases": "read_at",
}
ROWS = """
    INSERT INTO fleet.tag_lists (registry, repository, next_list_at) VALUES ('a.io', 'b', now());
    INSERT INTO fleet.descriptions (digest, asked_at, next_ask_at)
    SELECT remote_digest, now(), now() FROM fleet.answers WHERE remote_digest IS NOT NULL LIMIT 1;
    INSERT INTO fleet.registry_states (registry, credential, get_blocked_until, observed_at)
    VALUES ('a.io', 'b', now(), now());
    INSERT INTO fleet.bases (name, digest, platform, not_asked)
    VALUES ('b', 'sha256:' || repeat('0', 64), 'linux/amd64', 'short_name');
    INSERT INTO fleet.versions (ref_id, is_compared) SELECT ref_id, true FROM fleet.image_refs
    ON CONFLICT DO NOTHING;
    INSERT INTO fleet.newer (ref_id, step, candidate_ref_id, state, since)
    SELECT min(ref_id), 'minor', max(ref_id), 'newer', now() FROM fleet.image_refs;
"""


@pytest.mark.parametrize("table", FAR)
async def test_whatever_waits_for_a_moment_waits_for_none_that_is_too_far(
    planned: Planned, moments: FarMoments, owner: asyncpg.Connection, table: str
) -> None:
    """Each moment that lies months ahead is over afterwards."""
    await planned.has("web-1", image(), image(OTHER))
    await planned.answered(NGINX, version=2)
    await owner.execute(ROWS)
    column = FAR[table]
    which = "verdict = 'outdated'" if table == "comparisons" else "true"
    far = f"UPDATE fleet.{table} SET {column} = now() + interval '60 days' WHERE {which}"
    await owner.execute(far)

    assert await moments.bring_back(now()) > 0

    over = f"SELECT max({column}) <= now() FROM fleet.{table} WHERE {which}"
    assert await owner.fetchval(over)


async def test_what_has_no_moment_gets_none(
    planned: Planned, moments: FarMoments, owner: asyncpg.Connection
) -> None:
    """A digest that nobody asked about, and a registry that blocks GETs alone, stay so."""
    await owner.execute(
        "INSERT INTO fleet.descriptions (digest, described_at, failure, next_ask_at)"
        " VALUES ('sha256:' || repeat('0', 64), now(), 'invalid', now() + interval '60 days');"
        "INSERT INTO fleet.registry_states (registry, credential, get_blocked_until, observed_at)"
        " VALUES ('a.io', 'b', now() + interval '60 days', now())"
    )

    assert await moments.bring_back(now()) == 2

    assert await owner.fetchval("SELECT asked_at FROM fleet.descriptions") is None
    assert await owner.fetchval("SELECT blocked_until FROM fleet.registry_states") is None


async def test_a_host_that_ended_while_a_clock_was_ahead_is_silent_in_time(
    planned: Planned, moments: FarMoments, owner: asyncpg.Connection
) -> None:
    """A host that was last heard of in the future turns silent after three intervals."""
    await planned.has("web-1", image())
    await owner.execute("UPDATE fleet.host_state SET last_seen_at = now() + interval '60 days'")

    await moments.bring_back(now())

    silent = (
        "SELECT silent_at - now() <= make_interval(secs => 3 * interval_s) FROM fleet.host_state"
    )
    assert await owner.fetchval(silent)
