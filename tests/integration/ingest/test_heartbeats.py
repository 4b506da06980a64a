"""Heartbeats: who lives, and whether what is stored is what the host has."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.core.heartbeats import ReceivedHeartbeat
from imagedrift_runtime.clock import now
from imagedrift_schemas import subjects
from support.ingest import NOW
from support.stored_heartbeats import HASH, LATER, WEB, Stored

NEW = ("fra1", "new")


@pytest.fixture
async def stored(dsn: str) -> AsyncIterator[Stored]:
    """The host, with its inventory."""
    async with connection.pool(dsn, connections=1) as pool:
        made = Stored(pool)
        await made.reports()
        yield made


async def test_a_host_that_has_other_images_than_are_stored_is_shown_as_behind(
    stored: Stored,
) -> None:
    """Until its inventory is stored; not for a heartbeat that was on its way when it changed."""
    other = ReceivedHeartbeat(bytes(32), 300, "")
    await stored.heartbeats.store(NOW + timedelta(seconds=5), {WEB: other})
    assert await stored.degraded() is None
    await stored.heartbeats.store(LATER, {WEB: other})
    assert "newest inventory is not stored" in str(await stored.degraded())
    await stored.heartbeats.store(
        LATER + timedelta(seconds=1), {WEB: ReceivedHeartbeat(bytes(32), 300, "no engine")}
    )
    assert await stored.degraded() == "no engine"
    await stored.reports(seq=2)
    assert await stored.degraded() is None


@pytest.mark.parametrize("content", [HASH, None], ids=["the same", "none"])
async def test_a_host_that_has_what_is_stored_or_cannot_tell_is_not_behind(
    stored: Stored, content: bytes | None
) -> None:
    """The same hash, or none because its engine never answered."""
    await stored.heartbeats.store(LATER, {WEB: ReceivedHeartbeat(content, 300, "")})
    assert await stored.degraded() is None
    assert await stored.pool.fetchval("SELECT last_seen_at FROM ops.hosts") == LATER


@pytest.mark.parametrize(
    ("heartbeat", "told"),
    [
        (ReceivedHeartbeat(HASH, 300, ""), "its newest inventory is not stored"),
        (ReceivedHeartbeat(None, 300, "the engine does not answer"), "the engine does not answer"),
        (ReceivedHeartbeat(None, 300, ""), "it has told no images yet"),
    ],
)
async def test_a_host_without_an_inventory_counts_and_says_why(
    stored: Stored, heartbeat: ReceivedHeartbeat, told: str
) -> None:
    """A host without an inventory counts, with the reason in `degraded`."""
    await stored.heartbeats.store(LATER, {NEW: heartbeat})
    row = await stored.pool.fetchrow("SELECT * FROM ops.hosts WHERE host = 'new'")
    assert row is not None
    assert (row["images"], row["last_seen_at"]) == (0, LATER)
    assert told in row["degraded"]
    assert await stored.pool.fetchval("SELECT hosts FROM ops.fleet_summary") == 2


async def test_a_host_that_was_retired_counts_again_when_it_lives(stored: Stored) -> None:
    """A returned host's images come with its next inventory."""
    await stored.heartbeats.store(LATER, {WEB: ReceivedHeartbeat(HASH, 300, "")})
    await stored.pool.execute("UPDATE fleet.host_state SET last_seen_at = now() - interval '40 d'")
    assert (await stored.maintain.tidy())["hosts_retired"] == 1
    assert await stored.pool.fetchval("SELECT hosts FROM ops.fleet_summary") == 0
    await stored.heartbeats.store(now(), {WEB: ReceivedHeartbeat(HASH, 300, "")})
    assert "newest inventory is not stored" in str(await stored.degraded())
    assert (await stored.maintain.tidy())["hosts_retired"] == 0
    await stored.reports(seq=2)
    assert await stored.degraded() is None
    assert await stored.pool.fetchval("SELECT images FROM ops.hosts") == 1


def twins(told: str | None) -> bool:
    """Tell whether an operator reads of two machines."""
    return "two machines report under this host id" in str(told)


async def test_two_machines_under_one_host_id_are_noticed_and_both_named(stored: Stored) -> None:
    """Two machines under one host id are both named (rcourtman/Pulse#1584)."""
    at = now()
    for turn, boot in enumerate(("aaaa", "bbbb", "aaaa", "bbbb")):
        heartbeat = ReceivedHeartbeat(HASH if boot == "aaaa" else bytes(32), 300, "", (boot,))
        await stored.heartbeats.store(at + timedelta(seconds=turn), {WEB: heartbeat})
    told = await stored.degraded()
    assert twins(told)
    assert "aaaa" in str(told)
    assert "bbbb" in str(told)
    assert "dead_letters" not in str(told)


async def test_turns_within_one_window_are_noticed(stored: Stored) -> None:
    """Heartbeats are stored together: whose they were is kept in order."""
    await stored.heartbeats.store(
        now(), {WEB: ReceivedHeartbeat(HASH, 300, "", ("a", "b", "a", "b"))}
    )
    assert twins(await stored.degraded())


async def test_three_machines_in_turn_are_noticed(stored: Stored) -> None:
    """More than one start that was replaced is remembered."""
    await stored.heartbeats.store(
        now(), {WEB: ReceivedHeartbeat(HASH, 300, "", ("a", "b", "c", "a", "b"))}
    )
    assert twins(await stored.degraded())


@pytest.mark.parametrize(
    "boots", [("a", "b", "c", "d", "e", "f"), ("a", "b", "a"), ("a",), ()], ids="".join
)
async def test_a_machine_that_starts_again_is_no_second_one(
    stored: Stored, boots: tuple[str, ...]
) -> None:
    """New starts never return, and a single late message proves nothing."""
    await stored.heartbeats.store(now(), {WEB: ReceivedHeartbeat(HASH, 300, "", boots)})
    assert await stored.degraded() is None


async def test_two_machines_are_forgotten_when_one_alone_speaks(stored: Stored) -> None:
    """The warning ends some intervals after only one machine reports."""
    long_ago = now() - timedelta(hours=2)
    await stored.heartbeats.store(
        long_ago, {WEB: ReceivedHeartbeat(HASH, 300, "", ("a", "b", "a", "b"))}
    )
    await stored.heartbeats.store(now(), {WEB: ReceivedHeartbeat(HASH, 300, "", ("b",))})
    assert await stored.degraded() is None


async def test_an_operator_is_sent_to_dead_letters_only_where_one_is(stored: Stored) -> None:
    """Without a dead letter the newest inventory is on its way."""
    await stored.heartbeats.store(LATER, {WEB: ReceivedHeartbeat(bytes(32), 300, "")})
    assert "on its way" in str(await stored.degraded())
    await stored.pool.execute(
        "INSERT INTO fleet.dead_letters (epoch, seq, received_at, service, subject, stream,"
        " stream_seq, reason, error, payload) VALUES (1, 1, now(), 's', $1, 'S', 1, 'r', 'e', '')",
        subjects.inventory(*WEB),
    )
    assert "ops.dead_letters says why" in str(await stored.degraded())


async def test_an_inventory_that_is_stored_late_is_no_second_machine(stored: Stored) -> None:
    """A late inventory of an earlier start is not a second machine."""
    at = now()
    for turn, boot in enumerate(("a", "b")):
        heartbeat = ReceivedHeartbeat(HASH, 300, "", (boot,))
        await stored.heartbeats.store(at + timedelta(seconds=turn), {WEB: heartbeat})
    for seq in (2, 3):
        await stored.reports(seq, boot="a")
        heartbeat = ReceivedHeartbeat(HASH, 300, "", ("b",))
        await stored.heartbeats.store(at + timedelta(seconds=seq), {WEB: heartbeat})
    assert await stored.degraded() is None
