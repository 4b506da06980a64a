"""Which questions are asked, in which order, and how many at a time."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Resolve, Unreachable
from support.ingest import NGINX, digest, image
from support.planning import FRESHNESS, LATER, Planned, planning
from support.storing import maintain_on


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets three questions of a registry be out at a time."""
    async with planning(dsn, outstanding=3) as made:
        yield made


async def test_a_question_is_asked_once_and_again_when_its_answer_is_old(planned: Planned) -> None:
    """A question is asked again only when its answer is no longer fresh."""
    await planned.has("web-1", image())
    [asked] = await planned.asks()
    assert isinstance(asked, Resolve)
    assert asked.asked_at - asked.fresh_since == timedelta(seconds=FRESHNESS)
    assert await planned.names() == []

    await planned.answered(NGINX)
    assert await planned.names(now() + timedelta(seconds=FRESHNESS - 5)) == []
    [again] = await planned.asks(now() + LATER)
    assert isinstance(again, Resolve)
    assert again.last_digest == digest((NGINX, 1))


async def test_a_question_without_an_answer_is_asked_again_after_its_time(planned: Planned) -> None:
    """A question without an answer is asked again after its time."""
    await planned.has("web-1", image())
    assert await planned.names() == [NGINX]
    assert await planned.names(now() + timedelta(seconds=FRESHNESS)) == []
    assert await planned.names(now() + LATER) == [NGINX]


async def test_a_question_that_is_there_already_counts_and_is_tried_soon(planned: Planned) -> None:
    """A question that the stream has already counts as out, and is tried again soon."""
    await planned.has("web-1", image())
    planned.refuse = {NGINX}
    assert await planned.names() == [NGINX]
    assert await planned.names() == []
    assert await planned.names(now() + timedelta(seconds=FRESHNESS / 10 + 1)) == [NGINX]


async def test_references_run_by_most_hosts_come_first_and_few_at_a_time(planned: Planned) -> None:
    """References of most hosts come first, a bounded number per registry at a time."""
    for number in range(5):
        reference = f"docker.io/library/app{number}:1"
        for host in range(number + 1):
            images = [image(f"docker.io/library/app{n}:1", running=1) for n in range(host, 5)]
            await planned.has(f"web-{host}", *images)
        assert reference
    await planned.has("web-9", image("quay.io/a/b:1"))
    await maintain_on(planned.database).count_hosts()

    first = await planned.names()
    assert [one for one in first if "docker.io" in one] == [
        f"docker.io/library/app{n}:1" for n in (4, 3, 2)
    ]
    assert "quay.io/a/b:1" in first

    assert await planned.names() == []
    await planned.answered("docker.io/library/app4:1")
    assert await planned.names() == ["docker.io/library/app1:1"]


async def test_nobodys_reference_is_not_asked_until_somebody_has_it(planned: Planned) -> None:
    """A reference without hosts is not asked until a host has it."""
    await planned.answered(NGINX)
    await planned.has("web-1", image("docker.io/library/gone:1"))
    await planned.has("web-1")
    later = now() + timedelta(minutes=3)
    assert await planned.names(later) == []

    await planned.has("web-2", image(version="another"))
    assert await planned.names(later + timedelta(seconds=FRESHNESS)) == [NGINX]


async def test_a_failing_reference_is_asked_less_often(planned: Planned) -> None:
    """A reference that fails twice waits two periods."""
    await planned.has("web-1", image())
    for _ in range(2):
        await planned.answered(NGINX, outcome=Unreachable())
    assert await planned.names(now() + LATER) == []
    assert await planned.names(now() + timedelta(seconds=2 * FRESHNESS + 5)) == [NGINX]


async def test_a_tag_that_never_moves_is_asked_less_often(planned: Planned) -> None:
    """A tag that stayed the same for four weeks waits four periods."""
    await planned.has("web-1", image())
    await planned.answered(NGINX, checked_at=now() - timedelta(days=28))
    await planned.answered(NGINX)
    assert await planned.names(now() + timedelta(seconds=3 * FRESHNESS)) == []
    assert await planned.names(now() + timedelta(seconds=4.5 * FRESHNESS)) == [NGINX]
