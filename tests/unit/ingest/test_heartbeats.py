"""Heartbeats are gathered, the newest of each host; those that are wrong are refused and told."""

from typing import Any

import pytest

from imagedrift_ingest.adapters import jetstream
from imagedrift_ingest.adapters.jetstream import Heartbeats
from imagedrift_ingest.core.inventories import Sign, alive, sign_of
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive
from support.ingest import NOW, digest

HASH = bytes.fromhex(digest(1)[7:])
SUBJECT = subjects.alive("fra1", "web-1")


def beat(
    host: str = "web-1", *, interval_s: int = 60, content: str = digest(1), **facts: Any
) -> bytes:
    """A heartbeat's bytes."""
    given: dict[str, Any] = {"site": "fra1", "at": NOW} | facts
    return codec.encode(Alive(host=host, interval_s=interval_s, content=content, **given))


async def test_the_newest_sign_of_each_host_is_kept_until_it_is_taken() -> None:
    """Taking empties; what could not be stored goes back behind what came since."""
    heartbeats = Heartbeats()
    await heartbeats.hear(SUBJECT, beat(interval_s=1))
    await heartbeats.hear(SUBJECT, beat(interval_s=2))
    await heartbeats.hear(subjects.alive("fra1", "web-2"), beat("web-2"))
    taken = heartbeats.take()
    assert taken == {
        ("fra1", "web-1"): Sign(HASH, 2, ""),
        ("fra1", "web-2"): Sign(HASH, 60, ""),
    }
    assert heartbeats.take() == {}

    await heartbeats.hear(SUBJECT, beat(interval_s=3))
    heartbeats.put_back(taken)
    assert heartbeats.take()["fra1", "web-1"].interval_s == 3


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "malformed"),
        (beat("web-2"), "another host"),
        (beat(site="fra2"), "another host"),
        (beat("web-1.x"), "another host"),
        (beat(interval_s=0), "malformed"),
        (beat(interval_s=2**40), "malformed"),
        (beat(content="sha256:short"), "malformed"),
        (beat(content="sha512:" + "0" * 128), "malformed"),
        (beat(content="sha256:" + "0" * 60 + "    "), "malformed"),
    ],
)
async def test_a_wrong_heartbeat_is_refused_and_told(payload: bytes, reason: str) -> None:
    """P8, P9: unreadable, about another host, or with what cannot be stored."""
    heartbeats = Heartbeats(lambda: NOW)
    await heartbeats.hear(SUBJECT, payload)
    assert heartbeats.take() == {}
    [letter] = heartbeats._due
    assert (letter.subject, letter.reason, letter.payload) == (SUBJECT, reason, payload)


async def test_a_subject_that_names_no_host_is_only_counted() -> None:
    """There is nobody to tell; and the database has no such host, so that it costs no other."""
    heartbeats = Heartbeats(lambda: NOW)
    for name in ("WEB", "web_1", "w" * 64, "web=2E1"):
        await heartbeats.hear(f"drift.v1.alive.fra1.{name}", beat(name))
    assert heartbeats.take() == {}
    assert heartbeats._due == []


def test_odd_words_of_a_heartbeat_are_cleaned() -> None:
    """An engine's error with line breaks, a NUL, half of a character."""
    told = beat(degraded="x").replace(b'"x"', rb'"no\u0000\nanswer\ud800"')
    assert sign_of(alive(told)).degraded == "no\ufffd answer?"


async def test_refusals_of_a_host_are_few_small_letters_that_count_them_all() -> None:
    """However often a heartbeat is refused: twice as many each time, and one message among them."""
    heartbeats = Heartbeats(lambda: NOW)
    for _ in range(1000):
        await heartbeats.hear(SUBJECT, b"p" * 9000)
    assert len(heartbeats._due) == 10
    assert sum(letter.times for letter in heartbeats._due) == 512
    assert sum(letter.payload != b"" for letter in heartbeats._due) == 1
    assert all(len(codec.encode(letter)) < 3000 for letter in heartbeats._due)


async def test_signs_of_made_up_hosts_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away signs are held, beyond a bound those of no further host."""
    monkeypatch.setattr(jetstream, "MOST_HELD", 3)
    heartbeats = Heartbeats(lambda: NOW)
    for n in range(10):
        await heartbeats.hear(subjects.alive("fra1", f"web-{n}"), beat(f"web-{n}"))
    await heartbeats.hear(subjects.alive("fra1", "web-1"), beat("web-1", interval_s=5))
    taken = heartbeats.take()
    assert {host for _, host in taken} == {"web-0", "web-1", "web-2"}
    assert taken["fra1", "web-1"].interval_s == 5
