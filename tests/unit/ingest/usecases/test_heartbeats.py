"""Heartbeats are gathered, the newest of each host; those that are wrong are refused and told."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

import pytest

from imagedrift_ingest.core.heartbeats import ReceivedHeartbeat, decode, heartbeat_of
from imagedrift_ingest.core.inventories import HostName
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_ingest.usecases.heartbeats import MOST_HELD, MOST_LETTERS, Heartbeats
from imagedrift_runtime.clock import SystemClock
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, DeadLetter
from support.ingest import NOW, digest

HASH = bytes.fromhex(digest(1)[7:])
SUBJECT = subjects.alive("fra1", "web-1")


class At(SystemClock):
    """A clock that stands still."""

    def now(self) -> datetime:
        """Tell the moment at which it stands."""
        return NOW


class MemoryStore:
    """A database and a stream in memory; the database may be away."""

    def __init__(self) -> None:
        self.stored: dict[HostName, ReceivedHeartbeat] = {}
        self.letters: list[DeadLetter] = []
        self.is_away = False
        self.takes = 1_000

    async def store(self, at: datetime, heartbeats: Mapping[HostName, ReceivedHeartbeat]) -> None:
        """Keep what is stored last."""
        if self.is_away:
            raise DatabaseUnavailable("away")
        self.stored = dict(heartbeats)

    async def publish(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """Keep so many letters as the stream takes, and return the others."""
        self.letters += letters[: self.takes]
        return letters[self.takes :]


def heartbeats_into(kept: MemoryStore, most_held: int = MOST_HELD) -> Heartbeats:
    """Collect heartbeats for a database and a stream."""
    return Heartbeats(kept, kept, At(), most_held)


def heartbeat(
    host: str = "web-1", *, interval_s: int = 60, content: str = digest(1), **facts: Any
) -> bytes:
    """A heartbeat's bytes."""
    given: dict[str, Any] = {"site": "fra1", "at": NOW} | facts
    return codec.encode(Alive(host=host, interval_s=interval_s, content=content, **given))


async def test_the_newest_heartbeat_of_each_host_is_stored_once() -> None:
    """The newest heartbeat of each host is stored once."""
    kept = MemoryStore()
    heartbeats = heartbeats_into(kept)
    await heartbeats.receive(SUBJECT, heartbeat(interval_s=1))
    await heartbeats.receive(SUBJECT, heartbeat(interval_s=2))
    await heartbeats.receive(subjects.alive("fra1", "web-2"), heartbeat("web-2"))
    await heartbeats.store()
    assert kept.stored == {
        ("fra1", "web-1"): ReceivedHeartbeat(HASH, 2, ""),
        ("fra1", "web-2"): ReceivedHeartbeat(HASH, 60, ""),
    }
    await heartbeats.store()
    assert kept.stored == {}


async def test_heartbeats_wait_for_the_database_and_newer_ones_replace_them() -> None:
    """P4: heartbeats wait for the database, and newer ones replace them."""
    kept = MemoryStore()
    heartbeats = heartbeats_into(kept)
    for interval_s in (1, 2):
        await heartbeats.receive(SUBJECT, heartbeat(interval_s=interval_s))
        await heartbeats.receive(subjects.alive("fra1", f"web-{interval_s}0"), b"{")
        kept.is_away = interval_s == 1
        with pytest.raises(DatabaseUnavailable) if kept.is_away else nullcontext():
            await heartbeats.store()
        assert len(kept.letters) == interval_s
    assert kept.stored["fra1", "web-1"].interval_s == 2


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "malformed"),
        (heartbeat("web-2"), "another host"),
        (heartbeat(site="fra2"), "another host"),
        (heartbeat("web-1.x"), "another host"),
        (heartbeat(interval_s=0), "malformed"),
        (heartbeat(interval_s=2**40), "malformed"),
        (heartbeat(content="sha256:short"), "malformed"),
        (heartbeat(content="sha512:" + "0" * 128), "malformed"),
        (heartbeat(content="sha256:" + "0" * 60 + "    "), "malformed"),
    ],
)
async def test_a_wrong_heartbeat_is_refused_and_told(payload: bytes, reason: str) -> None:
    """P8, P9: a wrong heartbeat is refused with a dead letter."""
    kept = MemoryStore()
    heartbeats = heartbeats_into(kept)
    await heartbeats.receive(SUBJECT, payload)
    await heartbeats.store()
    assert kept.stored == {}
    [letter] = kept.letters
    assert (letter.subject, letter.reason, letter.payload) == (SUBJECT, reason, payload)


async def test_a_subject_that_names_no_host_is_only_counted() -> None:
    """A refused heartbeat without a host in its subject is only counted."""
    kept = MemoryStore()
    heartbeats = heartbeats_into(kept)
    for name in ("WEB", "web_1", "w" * 64, "web=2E1"):
        await heartbeats.receive(f"drift.v1.alive.fra1.{name}", heartbeat(name))
    await heartbeats.store()
    assert (kept.stored, kept.letters) == ({}, [])


def test_odd_words_of_a_heartbeat_are_cleaned() -> None:
    """The texts of a heartbeat are cleaned."""
    told = heartbeat(degraded="x").replace(b'"x"', rb'"no\u0000\nanswer\ud800"')
    assert heartbeat_of(decode(told)).degraded == "no\ufffd answer?"


async def test_refusals_of_a_host_are_few_small_letters_that_count_them_all() -> None:
    """Refused heartbeats of a host make few dead letters, which count them all."""
    kept = MemoryStore()
    heartbeats = heartbeats_into(kept)
    for _ in range(1000):
        await heartbeats.receive(SUBJECT, b"p" * 9000)
    await heartbeats.store()
    assert len(kept.letters) == 10
    assert sum(letter.times for letter in kept.letters) == 512
    assert sum(letter.payload != b"" for letter in kept.letters) == 1
    assert sum(len(codec.encode(letter)) for letter in kept.letters) < 15_000


async def test_a_letter_that_nats_did_not_take_is_published_with_the_next_ones() -> None:
    """A refused heartbeat leaves its dead letter although NATS was away for a moment."""
    kept = MemoryStore()
    heartbeats = heartbeats_into(kept)
    for host in ("web-1", "web-2", "web-3"):
        await heartbeats.receive(subjects.alive("fra1", host), b"{")
    kept.takes = 1
    await heartbeats.store()
    kept.takes = 1_000
    await heartbeats.receive(subjects.alive("fra1", "web-4"), b"{")
    await heartbeats.store()
    await heartbeats.store()
    told = [letter.subject.rpartition(".")[2] for letter in kept.letters]
    assert told == ["web-1", "web-2", "web-3", "web-4"]


async def test_letters_that_wait_for_nats_are_bounded() -> None:
    """While NATS takes no letters, a bounded number of them waits."""
    kept = MemoryStore()
    heartbeats = heartbeats_into(kept)
    kept.takes = 0
    for n in range(MOST_LETTERS + 5):
        await heartbeats.receive(subjects.alive("fra1", f"web-{n}"), b"{")
    await heartbeats.store()
    kept.takes = 2 * MOST_LETTERS
    await heartbeats.store()
    assert len(kept.letters) == MOST_LETTERS


async def test_heartbeats_of_made_up_hosts_fill_no_memory() -> None:
    """While the database is away, heartbeats of a bounded number of hosts are kept."""
    kept = MemoryStore()
    heartbeats = heartbeats_into(kept, most_held=3)
    for n in range(10):
        await heartbeats.receive(subjects.alive("fra1", f"web-{n}"), heartbeat(f"web-{n}"))
    await heartbeats.receive(subjects.alive("fra1", "web-1"), heartbeat("web-1", interval_s=5))
    await heartbeats.store()
    assert {host for _, host in kept.stored} == {"web-0", "web-1", "web-2"}
    assert kept.stored["fra1", "web-1"].interval_s == 5
