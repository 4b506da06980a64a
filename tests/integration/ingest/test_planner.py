"""Which questions are asked, in which order, and how many at a time."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Child, Describe, Resolve, Unreachable
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


async def test_a_digest_is_described_once_for_every_platform_that_needs_it(
    planned: Planned,
) -> None:
    """A digest is described once per platform that needs it."""
    arm = image(version=0, platform="linux/arm64", image_id=digest("arm"))
    await planned.has("web-1", image(version=0))
    await planned.answered(NGINX, 2)
    [asked] = [q for q in await planned.asks() if isinstance(q, Describe)]
    assert (asked.digest, asked.platforms) == (digest((NGINX, 2)), ("linux/amd64",))
    assert not [q for q in await planned.asks() if isinstance(q, Describe)]

    await planned.has("web-2", arm)
    [more] = [q for q in await planned.asks() if isinstance(q, Describe)]
    assert more.platforms == ("linux/arm64",)

    from imagedrift_schemas.v1 import Described

    children = tuple(
        Child(platform=platform, digest=digest(platform), config_digest=digest(("c", platform)))
        for platform in ("linux/amd64", "linux/arm64")
    )
    told = Described(
        registry="docker.io",
        repository="library/nginx",
        digest=digest((NGINX, 2)),
        checked_at=now(),
        children=children,
    )
    await planned.described(told)
    assert not [q for q in await planned.asks(now() + timedelta(days=2)) if isinstance(q, Describe)]


async def test_the_order_of_an_answer_and_its_description_does_not_matter(
    planned: Planned,
) -> None:
    """The verdict is the same in any order of answer, description and image."""
    from imagedrift_schemas.v1 import Described

    child = Child(platform="linux/amd64", digest=digest("child"), config_digest=image().image_id)
    told = Described(
        registry="docker.io",
        repository="library/nginx",
        digest=digest((NGINX, 2)),
        checked_at=now(),
        children=(child,),
    )
    await planned.described(told)
    await planned.answered(NGINX, 2)
    await planned.has("web-1", image())
    reasons = await planned.database.pool.fetch("SELECT reason FROM ops.comparisons")
    assert [row["reason"] for row in reasons] == ["platform_match"]
