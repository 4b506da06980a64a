"""However many images and digests one host makes up, what others have is described."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from imagedrift_ingest.adapters.postgres import digest_questions
from imagedrift_ingest.adapters.postgres.questions import OF_ONE_HOST
from imagedrift_runtime.clock import now
from imagedrift_schemas import codec
from imagedrift_schemas.constraints import MOST_FACTS_OF, MOST_PLATFORMS
from imagedrift_schemas.v1 import Describe, Described, LocalImage
from support.described import child, described
from support.ingest import NGINX, digest, image
from support.many_images import many
from support.planning import LATER, Planned, planning

MADE_UP = 300
PLATFORM = "linux/arm64"
OWN = image(version="own", platform=PLATFORM, image_id="sha256:" + "f" * 64)
"""An image of a tag that many have: its id and its platform sort behind what is made up."""


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


def made_up(number: int) -> LocalImage:
    """An image that no registry has, of a platform that does not exist."""
    platform = f"a/{number:05}{'x' * 60}"
    return image(version=("made up", number), platform=platform, image_id=f"sha256:{number:064x}")


async def crowded(planned: Planned) -> Describe:
    """The question about a tag of which one host has an image, and another made up hundreds."""
    await planned.has("bad", *map(made_up, range(MADE_UP)))
    await planned.has("good", OWN)
    await planned.answered(NGINX, 2)
    [question] = await described(planned)
    return question


async def test_images_that_one_host_makes_up_crowd_no_other_out_of_a_question(
    planned: Planned,
) -> None:
    """A question names another host's image and platform beside hundreds that one host made up."""
    question = await crowded(planned)
    assert OWN.image_id in question.image_ids
    assert PLATFORM in question.platforms
    assert PLATFORM in question.facts_of


async def test_a_question_stays_small_whatever_platforms_hosts_name(planned: Planned) -> None:
    """A question has a bounded number of platforms, and so have the next ones about its digest."""
    sizes = []
    for question in [await crowded(planned), *await described(planned, now() + LATER)]:
        sizes.append(len(codec.encode(question)))
        assert len(question.platforms) == MOST_PLATFORMS
        assert len(question.facts_of) == MOST_FACTS_OF
    assert len(sizes) == 2
    assert max(sizes) < 20_000


async def test_what_is_kept_of_a_digests_questions_does_not_grow(planned: Planned) -> None:
    """The row of a digest does not grow with the questions about it."""
    await crowded(planned)
    await planned.has("worse", *map(made_up, range(MADE_UP, 2 * MADE_UP)))
    assert await described(planned, now() + LATER)
    assert await row_bytes(planned) < 2_000


async def row_bytes(planned: Planned) -> int:
    """How many bytes the only row of a description has."""
    size: int = await planned.database.pool.fetchval(
        "SELECT octet_length(d::text) FROM fleet.descriptions AS d"
    )
    return size


async def test_a_host_has_few_descriptions_out_however_many_digests_it_brought(
    planned: Planned,
) -> None:
    """Of one host's digests few are out at a time, and another host's is asked at once."""
    brought = many("big", OF_ONE_HOST + 5, running=1)
    await planned.has("big", *brought)
    for each in brought:
        await planned.answered(each.reference, 2)
    assert len(await described(planned)) == OF_ONE_HOST
    assert await described(planned) == []
    await planned.has("small", image(running=1))
    await planned.answered(NGINX, 2)
    assert [one.digest for one in await described(planned)] == [digest((NGINX, 2))]


async def test_of_one_host_a_bounded_number_of_digests_is_described_in_a_day(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests of one host wait for the next day once enough were described; others do not."""
    monkeypatch.setattr(digest_questions, "DESCRIBED_A_DAY", 3)
    brought = many("big", 5, running=1)
    await planned.has("big", *brought)
    for each in brought:
        await planned.answered(each.reference, 2)
    asked = await described(planned)
    assert len(asked) == 3
    for one in asked:
        await planned.described(tells(one))
    assert await described(planned) == []

    await planned.has("small", image(running=1))
    await planned.answered(NGINX, 2)
    assert [one.digest for one in await described(planned)] == [digest((NGINX, 2))]
    next_day = await described(planned, now() + timedelta(days=1, minutes=1))
    assert {one.digest for one in next_day}.isdisjoint(one.digest for one in asked)
    assert len(next_day) >= 2


def tells(question: Describe) -> Described:
    """Answer a question about a digest that has one image."""
    return Described(
        registry=question.registry,
        repository=question.repository,
        digest=question.digest,
        checked_at=now(),
        children=(child("linux/amd64", question.digest, digest(("config", question.digest))),),
    )
