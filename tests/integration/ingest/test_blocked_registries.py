"""When references are due whose registry asked us to wait."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from imagedrift_ingest.adapters.postgres.blocks import LOOK_EVERY
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.freshness import spread_after_block
from imagedrift_ingest.usecases.plan import TURN
from imagedrift_runtime.clock import now
from imagedrift_schemas.v1 import Describe, Limited
from support.ingest import NGINX, digest, image
from support.planning import FRESHNESS, LATER, POLICY, Planned, planning
from support.storing import turns_on

HUB = [f"docker.io/library/app{number}:1" for number in range(5)]
NEW = "docker.io/library/new:1"
QUAY = "quay.io/a/b:1"
HOUR = timedelta(hours=1)
SPREAD = spread_after_block(POLICY)
SQL = load("planner")
REFERENCES = "fleet.answers AS a JOIN fleet.image_refs AS r USING (ref_id)"


@pytest.fixture
async def planned(dsn: str) -> AsyncIterator[Planned]:
    """A planner of a fleet whose references have all been answered a moment ago."""
    async with planning(dsn, outstanding=len(HUB)) as made:
        await made.has("web-1", *map(image, [*HUB, QUAY]))
        await made.asks()
        for reference in (*HUB, QUAY):
            await made.answered(reference)
        yield made


async def dues(planned: Planned) -> dict[str, datetime]:
    """Return each reference's next check; both views have the same."""
    seen: list[dict[str, datetime]] = []
    for view in ("comparisons", "images"):
        sql = f"SELECT reference, next_check_at FROM ops.{view}"
        seen.append({row[0]: row[1] for row in await planned.database.pool.fetch(sql)})
    assert seen[0] == seen[1]
    return seen[0]


async def writes(planned: Planned) -> set[tuple[str, str]]:
    """The transaction that last wrote each reference's answer."""
    sql = f"SELECT reference, a.xmin::text FROM {REFERENCES}"
    return {(row[0], row[1]) for row in await planned.database.pool.fetch(sql)}


async def test_references_of_a_blocked_registry_are_due_when_the_block_ends(
    planned: Planned,
) -> None:
    """References of a blocked registry are moved once to the block's end."""
    seen = await writes(planned)
    start = sorted((await dues(planned)).values())[3]  # some are due already, some are not
    opens = start + HOUR
    await planned.told("docker.io", blocked_until=opens)

    asked = []
    for tick in range(30):
        at = start + tick * LOOK_EVERY
        asked += await planned.names(at)
        after = await dues(planned)
        assert all(opens <= after[one] <= opens + SPREAD for one in HUB)
        assert not await planned.database.pool.fetchval(SQL["any_due"], at)
        seen |= await writes(planned)
    assert set(asked) == {QUAY}
    assert after[QUAY] < opens
    assert [sum(who == one for who, _ in seen) for one in HUB] == [2] * len(HUB)

    assert {*HUB} <= {*await planned.names(opens + SPREAD)}


async def test_what_was_never_tried_is_asked_once_and_learns_the_reason(planned: Planned) -> None:
    """A new image of a blocked registry is asked once, and then waits."""
    opens = now() + HOUR
    await planned.told("docker.io", blocked_until=opens)
    await planned.has("web-2", image(NEW))
    assert await planned.names(now()) == [NEW]
    for tick in range(1, 30):
        assert NEW not in await planned.names(now() + tick * LATER / 4)
    assert opens <= (await dues(planned))[NEW] <= opens + SPREAD


async def test_questions_that_lapsed_in_a_block_leave_room(planned: Planned) -> None:
    """Questions that expired during a block do not count as open."""
    asked = now() + timedelta(seconds=FRESHNESS * 1.2)
    assert {*HUB} <= {*await planned.names(asked)}  # as many as may be out
    await planned.told("docker.io", blocked_until=asked + HOUR)
    await planned.has("web-2", image(NEW))
    assert await planned.names(asked + timedelta(seconds=30)) == []
    assert NEW in await planned.names(asked + LATER)


async def test_references_that_most_hosts_run_are_due_first(planned: Planned) -> None:
    """After a block the references of most hosts are due first."""
    for weight, reference in enumerate(HUB):
        await planned.database.pool.execute(
            "UPDATE fleet.answers SET weight = $1 WHERE ref_id ="
            " (SELECT ref_id FROM fleet.image_refs WHERE reference = $2)",
            weight,
            reference,
        )
    opens = now() + HOUR
    await planned.told("docker.io", blocked_until=opens)
    await planned.asks(now() + LOOK_EVERY)
    after = await dues(planned)
    assert [after[one] for one in reversed(HUB)] == [opens + SPREAD * n / 5 for n in range(5)]


async def test_a_block_that_grows_puts_off_once_more(planned: Planned) -> None:
    """A longer block moves its references to the new end."""
    start = now()
    for hours in (1, 2):
        opens = start + hours * HOUR
        await planned.told("docker.io", blocked_until=opens)
        await planned.asks(start + hours * LOOK_EVERY)
        after = await dues(planned)
        assert all(opens <= after[one] <= opens + SPREAD for one in HUB)


@pytest.mark.parametrize("second", [timedelta(0), timedelta(minutes=2)], ids=["now", "soon"])
async def test_a_block_that_ends_early_brings_references_forward(
    planned: Planned, second: timedelta
) -> None:
    """A block that ends early makes its references due then."""
    start = now() + LOOK_EVERY
    await planned.told("docker.io", blocked_until=start + HOUR)
    await planned.answered(HUB[0], outcome=Limited(until=start + HOUR))
    await planned.asks(start)

    later = start + LOOK_EVERY
    opens = later + second
    await planned.told("docker.io", "account", blocked_until=opens)
    asked = {*await planned.names(later)} & {*HUB}
    assert len(asked) == (opens == later)
    after, seen = await dues(planned), await writes(planned)
    assert all(opens <= after[one] <= opens + SPREAD for one in {*HUB} - asked)
    await planned.asks(later - SPREAD / 100)  # looks at blocks again
    assert await writes(planned) == seen
    assert {*HUB} - asked <= {*await planned.names(opens + SPREAD)}


@pytest.mark.parametrize(
    "state",
    [{"get_blocked_until": now() + HOUR}, {"blocked_until": now() - HOUR}, {"rate_remaining": 0}],
    ids=lambda state: next(iter(state)),
)
async def test_only_a_block_of_all_requests_puts_off(
    planned: Planned, state: dict[str, Any]
) -> None:
    """A used up pull limit does not move references of tags, which need HEAD only."""
    before = await dues(planned)
    await planned.told("docker.io", **state)
    assert await planned.names() == []
    assert await dues(planned) == before
    assert {*await planned.names(now() + LATER)} == {*HUB, QUAY}


async def test_a_look_at_blocks_moves_a_bounded_number(planned: Planned) -> None:
    """One check of the blocks moves a bounded number, the soonest first."""
    planned.restart(len(HUB), moved_at_once=2)
    before = await dues(planned)
    start = now() + LOOK_EVERY
    await planned.told("docker.io", blocked_until=start + HOUR)
    for turn, moved in enumerate((2, 4, 5)):
        await planned.asks(start + turn * LOOK_EVERY / 2)
        after = await dues(planned)
        soonest = sorted(HUB, key=lambda one: before[one])
        assert [after[one] != before[one] for one in soonest] == [n < moved for n in range(5)]


async def test_a_block_that_ends_while_references_are_moved_moves_no_more(planned: Planned) -> None:
    """A block that ends while references are moved brings them forward again."""
    planned.restart(len(HUB), moved_at_once=2)
    before = await dues(planned)
    start = now() + LOOK_EVERY
    await planned.told("docker.io", blocked_until=start + HOUR)
    await planned.asks(start)
    await planned.told("docker.io", "account")
    for _ in HUB:
        await planned.asks(start + LOOK_EVERY)
    after = await dues(planned)
    assert sum(after[one] == before[one] for one in HUB) == len(HUB) - 2
    assert max(after.values()) < start + HOUR


async def test_an_answer_that_comes_meanwhile_is_not_undone(planned: Planned) -> None:
    """An answer that arrives while references are moved is not undone."""
    planned.restart(len(HUB), moved_at_once=1)
    start = now() + LOOK_EVERY
    opens = start + HOUR
    await planned.told("docker.io", blocked_until=opens)
    await planned.asks(start)
    for reference in HUB:
        await planned.answered(reference)
    before = await dues(planned)
    for _ in HUB:
        await planned.asks(start)
    assert await dues(planned) == before

    for _ in HUB:
        await planned.asks(min(before.values()))
    assert all(opens <= due for one, due in (await dues(planned)).items() if one in HUB)


async def test_a_replica_that_comes_later_moves_nothing_again(planned: Planned) -> None:
    """A second replica moves no reference again."""
    start = now() + LOOK_EVERY
    await planned.told("docker.io", blocked_until=start + HOUR)
    await planned.asks(start)
    seen = await writes(planned)
    planned.restart(len(HUB))
    assert await planned.asks(start) == []
    assert await writes(planned) == seen


async def test_only_the_replica_that_plans_moves_references(planned: Planned) -> None:
    """Only the replica with the planner's turn moves references."""
    before = await dues(planned)
    start = now() + LOOK_EVERY
    await planned.told("docker.io", blocked_until=start + HOUR)

    async def another() -> bool:
        await planned.asks(start)
        return await dues(planned) == before

    assert await turns_on(planned.database).run(TURN, another)
    await planned.asks(start)
    after = await dues(planned)
    assert all(after[one] >= start + HOUR for one in HUB)


@pytest.mark.parametrize(
    "state",
    [{"blocked_until": now() + HOUR}, {"get_blocked_until": now() + HOUR}],
    ids=lambda state: next(iter(state)),
)
async def test_the_inside_of_a_digest_is_asked_for_when_its_registry_can_be_asked(
    dsn: str, state: dict[str, Any]
) -> None:
    """A `Describe` waits for the end of a used up pull limit."""
    async with planning(dsn, outstanding=100) as planned:
        await planned.has("web-1", image())
        await planned.asks()
        await planned.answered(NGINX, version=2)
        await planned.told("docker.io", **state)
        assert [q for q in await planned.asks() if isinstance(q, Describe)] == []
        [asked] = [q for q in await planned.asks(now() + 2 * HOUR) if isinstance(q, Describe)]
        assert asked.digest == digest((NGINX, 2))
