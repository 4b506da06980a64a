"""Lists on real servers: the question in its lane, the list in its bucket, the rows of the view."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from imagedrift_ingest.__main__ import EVERY
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import List
from support.ingest import NOW, Fleet, Operator, answer, image, ingest
from support.listing import CANDIDATES, RUN, described, tags_listed
from support.polling import until

SOON = replace(EVERY, versions=0.2, count=0.2)
ABOUT = List(registry="docker.io", repository="library/nginx", asked_at=NOW, fresh_since=NOW)


async def waiting_question(agents: Fleet) -> Any:
    """The question for the tags that waits in its lane."""
    return await agents.waiting(subjects.list_question("hub", ABOUT), List)


Rows = Callable[[], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def rows(operator: Operator) -> Rows:
    """Reads ops.versions."""

    async def read() -> list[dict[str, Any]]:
        return await operator.ask("SELECT * FROM ops.versions")

    return read


async def test_what_is_newer_is_asked_and_shown(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, rows: Rows
) -> None:
    """From an inventory to the newest patch, minor and major, over NATS."""
    async with ingest(dsn, fresh_nats.url, every=SOON, freshness=2):
        await agents.has("web-1", image(RUN, running=1))
        await agents.answers(answer(RUN))

        async def is_asked() -> bool:
            return await waiting_question(agents) is not None

        await until(is_asked, what="the tags are asked for")
        question = await waiting_question(agents)
        assert (question.tags, question.hosts) == (("1.27.3",), 1)

        await agents.lists(tags_listed())

        async def candidates_are_asked() -> bool:
            return all([await agents.asked(reference) for reference in CANDIDATES])

        await until(candidates_are_asked, what="the candidates are asked about")
        for reference in (RUN, *CANDIDATES):
            await agents.answers(answer(reference))
            await agents.answers(described(reference))

        async def shown() -> bool:
            [row] = await rows()
            return (row["newest_patch"], row["newest_minor"], row["newest_major"]) == (
                "1.27.5", "1.28.1", "2.0.0"
            )  # fmt: skip

        await until(shown, what="the newer versions are shown")


async def test_lists_can_be_switched_off(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, rows: Rows
) -> None:
    """With a freshness of 0 no repository is listed, and nothing is said to be newer."""
    async with ingest(dsn, fresh_nats.url, every=SOON, list_freshness=0):
        await agents.has("web-1", image(RUN, running=1))
        await agents.answers(answer(RUN))

        async def is_read() -> bool:
            return bool(await rows())

        await until(is_read, what="the tag is read")
        [row] = await rows()
        assert (row["behind"], row["next_list_at"], row["patch_state"]) == (None, None, "unknown")
    assert await waiting_question(agents) is None
