"""Whether the newest tag of a step is another image, on a real database."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from imagedrift_schemas.v1 import Denied, Found, Missing, Unreachable
from support.ingest import digest, image
from support.listing import (
    CANDIDATES,
    REPOSITORY,
    RUN,
    described,
    resolve_all,
    shown,
    tags_listed,
)
from support.planning import Planned, planning


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner that lets many questions of a registry be out at a time."""
    async with planning(dsn, outstanding=1000) as made:
        yield made


async def test_the_same_image_under_a_newer_tag_is_not_newer(planned: Planned) -> None:
    """A candidate with the same digest, or the same manifest, is the same image."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed(("1.28.1", "1.27.5", "1.27.3")))
    await resolve_all(planned, RUN)
    await planned.answered(f"{REPOSITORY}:1.27.5", outcome=Found(digest=digest((RUN, 1))))
    await planned.answered(f"{REPOSITORY}:1.28.1")
    same = described(f"{REPOSITORY}:1.28.1", child=("amd64", RUN, 1))
    await planned.described(same)
    found = await shown(planned)
    assert (found["patch_state"], found["minor_state"], found["major_state"]) == (
        "same_image", "same_image", "none"
    )  # fmt: skip
    assert "newest_patch" not in found


async def test_a_host_that_claims_to_have_the_newest_image_hides_it_from_no_other(
    planned: Planned,
) -> None:
    """A newer tag stays newer, though one host says that its old tag has that very image."""
    await planned.has("web-1", image(RUN, running=1))
    newest = f"{REPOSITORY}:1.28.1"
    claim = image(RUN, "claimed", repo_digests=(digest((newest, 1)),))
    await planned.has("bad", claim)
    await planned.follows()
    await planned.listed(tags_listed(("1.28.1", "1.27.3")))
    await resolve_all(planned, RUN, newest)
    assert (await shown(planned))["newest_minor"] == "1.28.1"


async def test_the_order_in_which_both_sides_are_known_does_not_matter(planned: Planned) -> None:
    """A candidate that was known before its list is told at once."""
    await planned.has("web-1", image(RUN, running=1))
    await resolve_all(planned, *CANDIDATES)
    await planned.listed(tags_listed())
    await planned.follows()
    assert "newest_patch" not in await shown(planned)
    await resolve_all(planned, RUN)
    assert (await shown(planned))["newest_patch"] == "1.27.5"


async def test_a_candidate_that_is_gone_or_fails_is_unknown(planned: Planned) -> None:
    """A newest tag that cannot be resolved or described says neither newer nor none."""
    await planned.has("web-1", image(RUN, running=1))
    await planned.follows()
    await planned.listed(tags_listed())
    await resolve_all(planned, RUN)
    patch, minor, major = CANDIDATES
    await planned.answered(patch, outcome=Missing())
    await planned.answered(minor, outcome=Unreachable())
    await planned.answered(major)
    failed = described(major)
    await planned.described(replace(failed, children=(), failure=Denied()))
    assert await shown(planned) == {"behind": 4}
    states = await planned.database.fetch("SELECT step, state FROM fleet.newer ORDER BY step")
    assert [(*row,) for row in states] == [
        ("major", "failed"), ("minor", "failed"), ("patch", "missing")
    ]  # fmt: skip
    await planned.described(failed)
    assert (await shown(planned))["newest_major"] == "2.0.0"
