"""Claims and messages under their keys: two who write the same write it once."""

import asyncio
from datetime import timedelta

import pytest

from imagedrift_notifier.adapters.database import open_database, rows_on
from imagedrift_notifier.adapters.message_tables import LEASE, MessageTables
from imagedrift_notifier.core.claim import Claim
from imagedrift_notifier.core.content import MessageContent
from imagedrift_notifier.core.due_group import Topic
from imagedrift_notifier.core.outcome import LONGEST_PAUSE, NextStep
from imagedrift_runtime.clock import now
from imagedrift_runtime.clock_agreement import ClocksDisagree
from support.notifier import execute, route
from support.operator import Operator

CONTENT = MessageContent("a title", "a text", {"type": "x", "data": {}})


def topics(count: int) -> list[Topic]:
    """Topics of images."""
    return [Topic("outdated", f"docker.io/a/b{n}:1", "sha256:x") for n in range(count)]


async def written(tables: MessageTables, count: int = 1, channel: str = "webhook") -> None:
    """Claim topics for now, and write a message of each."""
    since = (await tables.enter(["ops"]))["ops"].since
    await tables.claim("ops", since, [Claim(each, now()) for each in topics(count)])
    async with tables.gathered(route(channel=channel), await tables.topics("ops")) as gathered:
        for each in gathered.topics:
            await gathered.write(CONTENT, [each])


async def test_a_topic_is_claimed_once_for_each_route(dsn: str) -> None:
    """Of ten who claim the same at once, one does; another route claims for itself."""
    claims = [Claim(each, now()) for each in topics(3)]
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        since = {name: state.since for name, state in (await tables.enter(["ops", "dev"])).items()}

        new = await asyncio.gather(*(tables.claim("ops", since["ops"], claims) for _ in range(10)))

        assert sum(new) == 3
        assert await tables.claim("dev", since["dev"], claims) == 3
        assert await tables.claim("dev", since["dev"], []) == 0


async def test_a_claim_is_composed_by_one_of_two(dsn: str) -> None:
    """A claim that one is writing, another does not see."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        since = (await tables.enter(["ops"]))["ops"].since
        await tables.claim("ops", since, [Claim(each, now()) for each in topics(3)])

        found = await tables.topics("ops")
        async with (
            tables.gathered(route(), found) as one,
            tables.gathered(route(), found) as two,
        ):
            assert (len(one.topics), len(two.topics)) == (3, 0)
            await one.write(CONTENT, one.topics[:2])
            await one.drop(one.topics[2:])

        [row] = await Operator(dsn).ask("SELECT topics, about FROM ops.messages")
    assert (row["topics"], row["about"]) == (2, ["docker.io/a/b0:1", "docker.io/a/b1:1"])


async def test_a_message_is_taken_by_one_and_a_failure_holds_up_its_route(dsn: str) -> None:
    """Of two messages of a route that fails, none is tried before its pause is over."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables, 2)

        one = await tables.begin_sending("ops")
        assert one is not None
        assert (one.attempts, one.content) == (1, CONTENT)
        later = timedelta(minutes=1)
        await tables.end_sending(one, NextStep(state="waiting", error="no", pause=later))

        assert await tables.begin_sending("ops") is None
        [counts] = await tables.counts(["ops"])
        assert (counts.waiting, counts.failing, counts.gathering) == (2, 1, 0)


@pytest.mark.parametrize(("channel", "within_s"), [("webhook", 15), ("apprise", 60)])
async def test_a_killed_notifiers_message_waits_no_longer_than_a_try_takes(
    dsn: str, channel: str, within_s: int
) -> None:
    """A webhook's message is sent again after 15 seconds; another channel's is doubtful later."""
    lease = "SELECT round(extract(epoch FROM leased_until - now()))::int AS s FROM notify.messages"
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables, channel=channel)
        await tables.begin_sending("ops")

        [row] = await Operator(dsn).ask(lease)
    assert within_s - 5 < row["s"] <= within_s


async def test_a_late_word_that_it_was_sent_counts(dsn: str) -> None:
    """A try that was given up as dead, and yet arrived, is sent; a late failure changes nothing."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables)
        slow = await tables.begin_sending("ops")
        assert slow is not None
        await execute(dsn, "UPDATE notify.messages SET leased_until = now() - interval '1 s'")

        assert await tables.resolve_dead() == [(slow.message_id, "ops", "waiting")]
        again = await tables.begin_sending("ops")
        assert again is not None
        await tables.end_sending(slow, NextStep(state="failed", error="late"))
        assert (await Operator(dsn).ask("SELECT state FROM ops.messages")) == [{"state": "sending"}]
        await tables.end_sending(slow, NextStep(state="sent"))

        [row] = await Operator(dsn).ask("SELECT state, error, sent_at FROM ops.messages")
    assert (row["state"], row["error"]) == ("sent", None)
    assert row["sent_at"] is not None


async def test_what_is_old_is_removed_and_what_waits_is_kept(dsn: str) -> None:
    """Claims and messages are kept for more than a year."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables, 2)
        sent = await tables.begin_sending("ops")
        assert sent is not None
        await tables.end_sending(sent, NextStep(state="sent"))
        await tables.prune(now())
        assert len(await Operator(dsn).ask("SELECT FROM ops.messages")) == 2
        for table, column in (("claims", "claimed_at"), ("messages", "created_at")):
            await execute(dsn, f"UPDATE notify.{table} SET {column} = now() - interval '2 years'")

        await tables.prune(now())

    assert await Operator(dsn).ask("SELECT state FROM ops.messages") == [{"state": "waiting"}]


async def test_a_tag_that_moves_with_every_check_is_told_ten_times_a_day(dsn: str) -> None:
    """A tag that moves all the time is told ten times, and another image all the same."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        since = (await tables.enter(["ops"]))["ops"].since
        for n in range(20):
            moved = Topic("outdated", "docker.io/a/moving:1", f"sha256:{n}")
            assert await tables.claim("ops", since, [Claim(moved, now())]) == 1
        await tables.claim("ops", since, [Claim(topics(1)[0], now())])

        told = [topic.reference for topic in await tables.topics("ops")]
    assert told.count("docker.io/a/moving:1") == 10
    assert told.count("docker.io/a/b0:1") == 1


async def test_a_registry_that_comes_and_goes_is_told_once_an_hour(dsn: str) -> None:
    """A registry that works again can be told anew an hour after it was told."""
    failing = [Claim(Topic("error", "made-up.example", "unreachable"), None)]
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        since = (await tables.enter(["ops"]))["ops"].since
        assert await tables.claim("ops", since, failing) == 1

        await tables.release_errors(["ops"], [])
        assert await tables.claim("ops", since, failing) == 0

        await execute(dsn, "UPDATE notify.claims SET claimed_at = now() - interval '61 minutes'")
        await tables.release_errors(["ops"], [])
        assert await tables.claim("ops", since, failing) == 1


async def test_of_a_tag_that_moves_for_a_year_a_bounded_number_is_kept(dsn: str) -> None:
    """Of an image a hundred topics are kept beside those that wait."""
    many = """
    INSERT INTO notify.claims (route, kind, reference, target, claimed_at, send_at)
    SELECT 'ops', 'outdated', 'docker.io/a/moving:1', n::text, now() - make_interval(hours => n),
      CASE WHEN n = 250 THEN now() END
    FROM generate_series(1, 300) AS n
    """
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables)
        await execute(dsn, many)

        await tables.prune(now())

    left = "SELECT reference, count(*) AS n FROM notify.claims GROUP BY reference ORDER BY 1"
    assert await Operator(dsn).ask(left) == [
        {"reference": "docker.io/a/b0:1", "n": 1},
        {"reference": "docker.io/a/moving:1", "n": 101},
    ]


async def test_what_was_told_is_not_forgotten_as_a_clock_jumped(dsn: str) -> None:
    """While the database's clock is years ahead no claim is removed, as it would be told again."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables)
        await execute(dsn, "UPDATE notify.claims SET claimed_at = now() - interval '2 years'")

        with pytest.raises(ClocksDisagree, match=r"730 days.* ahead of"):
            await tables.prune(now() - timedelta(days=730))

    assert await Operator(dsn).ask("SELECT waiting FROM ops.routes") == [{"waiting": 1}]


async def test_nothing_is_claimed_by_a_state_that_was_read_before_a_restore_was_noticed(
    dsn: str,
) -> None:
    """A look at all that is due may take long; its claims would tell what was told before."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables)
        before = (await tables.enter(["ops"]))["ops"]
        last = await tables.begin_sending("ops")
        assert last is not None

        await tables.start_over(last)

        claims = [Claim(each, now()) for each in topics(3)]
        assert await tables.claim("ops", before.since, claims) == 0
        state = (await tables.enter(["ops"]))["ops"]
        assert (state.is_begun, state.is_restored) == (False, True)
        assert await tables.claim("ops", state.since, claims) == 2


AHEAD = "now() + interval '30 days'"
"""What the database's clock wrote while it was ahead."""


async def test_what_was_put_off_by_a_clock_ahead_is_tried_when_the_clock_is_right_again(
    dsn: str,
) -> None:
    """A message that waits for longer than any pause is tried at once, and once more after that."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables, 2)
        await execute(dsn, f"UPDATE notify.messages SET try_at = {AHEAD}")

        assert [*await tables.routes_with_messages()] == ["ops"]
        one = await tables.begin_sending("ops")
        assert one is not None
        hour = timedelta(hours=1)
        await tables.end_sending(one, NextStep(state="waiting", error="no", pause=hour))

        assert await tables.routes_with_messages() == {}


async def test_what_was_taken_by_a_clock_ahead_is_given_back_when_the_clock_is_right_again(
    dsn: str,
) -> None:
    """A lease that ends later than any can end holds no message; one that can end so does."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables, 2)
        for _ in range(2):
            await tables.begin_sending("ops")
        one = "(SELECT min(message_id) FROM notify.messages)"
        await execute(
            dsn, f"UPDATE notify.messages SET leased_until = {AHEAD} WHERE message_id = {one}"
        )

        assert [state for _, _, state in await tables.resolve_dead()] == ["waiting"]


async def test_what_is_taken_and_put_off_meanwhile_stays_so(dsn: str) -> None:
    """Statements that began a moment earlier take nothing for written by a clock ahead."""
    async with open_database(dsn) as database, database.transaction() as earlier:
        await earlier.fetchval("SELECT now()")
        tables = MessageTables(database)
        await written(tables, 2, channel="apprise")
        put_off = await tables.begin_sending("ops")
        assert put_off is not None
        assert await tables.begin_sending("ops") is not None
        longest = NextStep(state="waiting", error="no", pause=LONGEST_PAUSE)
        await tables.end_sending(put_off, longest)

        assert await rows_on(earlier, "resolve_dead", {"longest_lease": LEASE}) == []
        await rows_on(earlier, "bring_back", {"longest_pause": LONGEST_PAUSE})

    as_before = "SELECT FROM ops.messages WHERE state = 'sending' OR next_try_at > now() + '50 min'"
    assert len(await Operator(dsn).ask(as_before)) == 2


async def test_what_a_clock_ahead_claimed_counts_neither_for_the_day_nor_for_the_hour(
    dsn: str,
) -> None:
    """A tag and a registry that were told while the clock was ahead are told when it is right."""
    moved = [Claim(Topic("outdated", "docker.io/a/moving:1", f"sha256:{n}"), now()) for n in (1, 2)]
    failing = [Claim(Topic("error", "quay.io", "unreachable"), None)]
    many = f"""
    INSERT INTO notify.claims (route, kind, reference, target, claimed_at, send_at)
    SELECT 'ops', 'outdated', 'docker.io/a/moving:1', n::text, {AHEAD}, {AHEAD}
    FROM generate_series(1, 10) AS n
    """
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        since = (await tables.enter(["ops"]))["ops"].since
        await execute(dsn, many)
        await tables.claim("ops", since, [*moved, *failing])
        await execute(dsn, f"UPDATE notify.claims SET claimed_at = {AHEAD} WHERE kind = 'error'")

        await tables.release_errors(["ops"], [])

        assert [each.target for each in await tables.topics("ops")] == ["sha256:1", "sha256:2"]
        assert await tables.claim("ops", since, failing) == 1


async def test_a_route_that_a_clock_ahead_saw_removed_is_removed_when_the_clock_is_right_again(
    dsn: str,
) -> None:
    """A route is removed an hour after a right clock missed it, whatever a clock ahead noted."""
    async with open_database(dsn) as database:
        tables = MessageTables(database)
        await written(tables)
        await tables.enter([])
        await execute(dsn, f"UPDATE notify.routes SET removed_at = {AHEAD}")

        await tables.enter([])

        late = "SELECT FROM ops.routes WHERE removed_at > now()"
        assert await Operator(dsn).ask(late) == []
