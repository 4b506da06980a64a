"""Changed verdicts for open pages: bounded, gathered, and never in the way of others."""

import asyncio
from datetime import UTC, datetime

import pytest

from imagedrift_dashboard.adapters.changes import MOST_FOLLOWERS, MOST_HELD, ChangeFeed
from imagedrift_schemas import codec
from imagedrift_schemas.v1 import Changed

AT = datetime(2026, 11, 26, tzinfo=UTC)


def message(number: int, verdict: str = "outdated") -> bytes:
    """Write a changed verdict of the image of that number."""
    return codec.encode(
        Changed(
            registry="docker.io",
            repository=f"library/app{number}",
            tag="1",
            platform="linux/amd64",
            image_id="sha256:" + "01" * 32,
            from_verdict="current",
            from_reason="digest_match",
            to_verdict=verdict,
            to_reason="digest_differs",
            changed_at=AT,
            hosts=number,
        )
    )


@pytest.mark.virtual_time
async def test_a_page_is_told_what_changed_since_it_was_last_told() -> None:
    """Changes that come while a page is not asking are told at once, the newest of each image."""
    feed = ChangeFeed()
    following = feed.follow(15.0)
    asking = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    await feed.hear("", message(1))
    changes, more = await asking
    assert [(each.reference, each.verdict) for each in changes] == [
        ("docker.io/library/app1:1", "outdated")
    ]
    await feed.hear("", message(2))
    await feed.hear("", message(2, "current"))
    changes, more = await anext(following)
    assert [(each.hosts, each.verdict) for each in changes] == [(2, "current")]
    assert more == 0
    await following.aclose()


@pytest.mark.virtual_time
async def test_a_page_that_does_not_read_costs_a_bounded_memory() -> None:
    """Of many images only some are held; of the others the number is told."""
    feed = ChangeFeed()
    following = feed.follow(15.0)
    asking = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    for number in range(1000):
        await feed.hear("", message(number))
    changes, more = await asking
    assert len(changes) == MOST_HELD
    assert more == 1000 - MOST_HELD
    await following.aclose()


@pytest.mark.virtual_time
async def test_a_page_is_told_that_nothing_changed() -> None:
    """Without a change a page is told so after a while, which finds connections that are gone."""
    following = ChangeFeed().follow(15.0)
    assert await anext(following) == ([], 0)
    await following.aclose()


@pytest.mark.virtual_time
async def test_a_page_that_is_closed_is_forgotten() -> None:
    """A feed is full at a bound, and has room again when a page is closed."""
    feed = ChangeFeed()
    followings = [feed.follow(15.0) for _ in range(MOST_FOLLOWERS)]
    await asyncio.gather(*map(anext, followings))
    full_before = feed.is_full
    await followings[0].aclose()
    assert (full_before, feed.is_full) == (True, False)
    for each in followings[1:]:
        await each.aclose()


@pytest.mark.virtual_time
async def test_every_page_is_let_go_at_the_end() -> None:
    """When the process is to stop, an open page's stream ends."""
    feed, stopping = ChangeFeed(), asyncio.Event()
    closing = asyncio.ensure_future(feed.close_at(stopping))

    async def read() -> list[object]:
        return [each async for each in feed.follow(3600.0)]

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    stopping.set()
    await asyncio.wait_for(asyncio.gather(closing, reading), 1.0)
    assert reading.result() == [([], 0)]
