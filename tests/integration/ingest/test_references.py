"""References: made with the weight of the hosts that bring them."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from imagedrift_ingest.core.questions import PublishOutcome
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Describe, Described, List, Question, Unreachable
from support.ingest import NGINX, digest, image
from support.many_images import many
from support.planning import LATER, Planned, planning
from support.polling import until
from support.storing import maintain_on


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner with room for ten questions of a registry."""
    async with planning(dsn, outstanding=10) as made:
        yield made


async def test_a_reference_that_many_bring_at_once_has_their_weight_at_once(
    planned: Planned,
) -> None:
    """A reference that many hosts bring at once is asked before those of one host."""
    await planned.has("one", *many("one", 20, 1))
    await planned.has("h9", image())
    await planned.has("h9")
    await maintain_on(planned.database).count_hosts()
    await planned.have([f"h{n}" for n in range(1, 6)], image(running=1))
    assert (await planned.names())[0] == NGINX


async def test_planner_and_learner_never_wait_for_each_other_in_a_circle(dsn: str) -> None:
    """Planning and storing answers never deadlock."""
    async with planning(dsn, outstanding=100) as planned, planning(dsn, outstanding=100) as other:
        await planned.has("web-1", image(version=0))
        await planned.answered(NGINX, 2)
        before = await deadlocks(planned)
        told: list[asyncio.Task[None]] = []

        async def ask(asked: Sequence[Question | List]) -> list[PublishOutcome]:
            if isinstance(asked[0], Describe):
                told.append(asyncio.create_task(other.described(described(NGINX, 2))))
                await until(lambda: stored_or_waiting(planned, told[0]), what="it is stored")
            return ["asked"] * len(asked)

        planned.ask = ask
        assert await planned.tags.ask_due(now() + LATER) == 1
        assert await planned.digests.ask_due(now() + LATER) == 1
        await told[0]
        assert await deadlocks(planned) == before


async def stored_or_waiting(planned: Planned, told: "asyncio.Task[None]") -> bool:
    """Whether the description is in the database, or waits for a lock."""
    sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')"
    return told.done() or bool(await planned.database.pool.fetchval(sql))


def described(reference: str, version: object) -> Described:
    """Return a failed description of a tag's digest."""
    registry, repository = reference.rpartition(":")[0].split("/", 1)
    return Described(
        registry=registry,
        repository=repository,
        digest=digest((reference, version)),
        checked_at=now(),
        failure=Unreachable(),
    )


async def deadlocks(planned: Planned) -> int:
    """How many circles the database has found."""
    sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return int(await planned.database.pool.fetchval(sql))
