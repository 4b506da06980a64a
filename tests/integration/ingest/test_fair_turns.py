"""References without hosts are not asked, and no host waits for all of another's."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from imagedrift_ingest.adapters.postgres import questions
from imagedrift_ingest.core.questions import PublishOutcome
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import List, Question
from support.described import described
from support.ingest import NGINX, image
from support.many_images import many
from support.planning import FRESHNESS, LATER, Planned, name, planning
from support.storing import maintain_on

PERIOD = timedelta(seconds=FRESHNESS)


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner with room for ten questions of a registry."""
    async with planning(dsn, outstanding=10) as made:
        yield made


@pytest.mark.parametrize("running", [0, 1])
async def test_a_host_with_many_of_its_own_delays_nobody(planned: Planned, running: int) -> None:
    """A host with many new references does not delay another host's few."""
    await planned.has("big", *many("big", 300, running))
    await planned.has("small", *many("small", 3))
    first = await planned.names()
    assert len(first) == 10
    assert {one for one in first if "/small/" in one} == {
        f"docker.io/small/app{n}:1" for n in range(3)
    }


async def test_a_host_has_few_questions_out_however_many_it_brought(dsn: str) -> None:
    """A host's own references have few questions out at a time."""
    async with planning(dsn, outstanding=10_000) as planned:
        await planned.has("big", *many("big", questions.OF_ONE_HOST + 5))
        assert len(await planned.names()) == questions.OF_ONE_HOST
        assert await planned.names() == []
        await planned.has("small", *many("small", 3))
        assert len(await planned.names()) == 3
        await planned.answered("docker.io/big/app0:1")
        assert len(await planned.names()) == 1


async def test_a_host_with_several_images_of_a_tag_is_one_host(planned: Planned) -> None:
    """Several images that one host runs of each of its tags do not put them before another's."""
    twice = [
        image(one.reference, version, running=1)
        for one in many("big", 30, running=1)
        for version in (1, 2)
    ]
    await planned.has("big", *twice)
    await planned.has("small", image(running=1))
    await maintain_on(planned.database).count_hosts()
    assert await planned.database.pool.fetchval("SELECT max(weight) FROM fleet.answers") == 1
    assert NGINX in await planned.names()


@pytest.mark.parametrize("running", [0, 1])
async def test_what_a_host_has_alone_is_in_its_own_turns_whoever_named_it_first(
    planned: Planned, running: int
) -> None:
    """A host that names what another runs, or alone has later, leaves that to the other's turns."""
    await planned.has("big", image(), *many("big", 150, running))
    await planned.has("small", image(running=running))
    await maintain_on(planned.database).count_hosts()
    if not running:
        await planned.has("big", *many("big", 150, running))
    await maintain_on(planned.database).count_hosts()
    assert NGINX in await planned.names()


async def test_a_registry_without_room_takes_none_of_its_hosts_room(dsn: str) -> None:
    """A full registry does not delay a host's images of another one."""
    async with planning(dsn, outstanding=1) as planned:
        other = "quay.io/team/app:1"
        await planned.has("big", *many("big", questions.OF_ONE_HOST + 50), image(other))
        asked = await planned.names()
        assert len(asked) == 2
        assert other in asked


async def test_new_references_do_not_delay_the_next_look_at_old_ones(planned: Planned) -> None:
    """New references share their turns with those that are asked again."""
    await planned.has("web-1", image(running=1))
    await planned.names()
    await planned.answered(NGINX)
    await planned.has("big", *many("big", 300, 1))
    await maintain_on(planned.database).count_hosts()
    assert NGINX in await planned.names(now() + LATER)


async def test_two_planners_at_once_ask_each_question_once(dsn: str) -> None:
    """Of two planners one has the turn, and the other does nothing."""
    async with planning(dsn, outstanding=100) as one, planning(dsn, outstanding=100) as other:
        await one.has("web-1", *many("web", 30))
        first, second = await asyncio.gather(one.names(), other.names())
        assert sorted(first + second) == sorted({*first, *second})
        assert len(first + second) == 30


async def test_a_planner_that_was_killed_while_publishing_is_followed(dsn: str) -> None:
    """After a killed planner's turn has expired, its questions are asked again."""
    async with planning(dsn, outstanding=100) as killed, planning(dsn, outstanding=100) as next_one:
        await killed.has("web-1", image())
        reached = asyncio.Event()

        async def hang(_: Sequence[Question | List]) -> list[PublishOutcome]:
            reached.set()
            await asyncio.Event().wait()
            return []

        killed.ask = hang
        planning_task = asyncio.create_task(killed.tags.ask_due(now()))
        await reached.wait()
        planning_task.cancel()
        await asyncio.wait([planning_task])
        assert await next_one.names() == []
        await next_one.database.pool.execute("UPDATE fleet.turns SET until = now()")
        assert await next_one.names() == [NGINX]


async def test_answers_are_stored_while_nats_hangs_in_the_middle_of_publishing(dsn: str) -> None:
    """Answers are stored while publishing hangs, as nothing is locked."""
    async with planning(dsn, outstanding=100) as planned:
        await planned.has("web-1", image(), *many("web", 3))
        reached, free = asyncio.Event(), asyncio.Event()

        async def hang(asked: Sequence[Question | List]) -> list[PublishOutcome]:
            reached.set()
            await free.wait()
            return ["asked"] * len(asked)

        planned.ask = hang
        at_work = asyncio.create_task(planned.tags.ask_due(now()))
        await reached.wait()
        async with asyncio.timeout(5):
            await planned.answered(NGINX, 2)
            await planned.has("web-2", image())
        sql = """
            SELECT count(*) FROM pg_stat_activity
            WHERE state LIKE 'idle in transaction%' AND datname = current_database()
        """
        assert await planned.database.pool.fetchval(sql) == 0
        free.set()
        assert await at_work == 4
        assert await planned.digests.ask_due(now()) == 1  # of the digest that came meanwhile


async def test_tags_are_asked_about_while_digests_are(dsn: str) -> None:
    """Digests of one host, however long they take, keep no new reference of another waiting."""
    async with planning(dsn, outstanding=100) as planned:
        keep, reached = planned.ask, asyncio.Event()
        await planned.has("big", image(version=0))
        await planned.answered(NGINX, 2)

        async def hang(_: Sequence[Question | List]) -> list[PublishOutcome]:
            reached.set()
            await asyncio.Event().wait()
            return []

        planned.ask = hang
        describing = asyncio.create_task(planned.digests.ask_due(now()))
        await reached.wait()
        planned.ask = keep
        await planned.has("small", *many("small", 1))
        assert await planned.tags.ask_due(now()) == 1
        assert not describing.done()
        describing.cancel()
        await asyncio.wait([describing])


async def test_what_was_published_before_a_turn_ended_is_noted(dsn: str) -> None:
    """Questions that were published before a turn ended are noted."""
    async with planning(dsn, outstanding=100) as planned:
        planned.restart(100, noted_at_once=2)
        keep = planned.ask
        await planned.has("web-1", *many("web", 5))
        asked: list[str] = []

        async def fails_at_the_third(some: Sequence[Question | List]) -> list[PublishOutcome]:
            if len(asked) == 4:
                raise DatabaseUnavailable("NATS")
            asked.extend(map(name, some))
            return ["asked"] * len(some)

        planned.ask = fails_at_the_third
        with pytest.raises(DatabaseUnavailable):
            await planned.tags.ask_due(now())
        planned.ask = keep
        assert len(await planned.names()) == 1


async def test_an_image_that_is_committed_while_the_planner_runs_is_not_missed(
    planned: Planned,
) -> None:
    """An image, however old, leads to a question once the one before has left its stream."""
    await planned.has("web-1", image(version=0))
    await planned.answered(NGINX, 2)
    assert len(await planned.asks()) == 1
    arm = image(version=0, platform="linux/arm64", image_id=image(version=9).image_id)
    await planned.has("web-2", arm)
    await planned.database.pool.execute(
        "UPDATE fleet.comparisons SET first_seen_at = now() - interval '1 hour'"
        " WHERE platform = 'linux/arm64'"
    )
    assert await described(planned) == []
    assert len(await described(planned, now() + LATER)) == 1
    assert await described(planned, now() + LATER) == []
