"""Heartbeats are gathered, the newest of each host; those that are wrong are dropped."""

from typing import Any

import pytest

from imagedrift_ingest.adapters.jetstream import Heartbeats
from imagedrift_ingest.core.inventories import Sign
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
    "payload",
    [
        b"{",
        beat("web-2"),
        beat(site="fra2"),
        beat("web-1.x"),
        beat(interval_s=0),
        beat(interval_s=2**40),
        beat(content="sha256:short"),
        beat(content="sha512:" + "0" * 128),
    ],
)
async def test_a_wrong_heartbeat_is_dropped(payload: bytes) -> None:
    """P8, P9: unreadable, about another host, or with what cannot be stored."""
    heartbeats = Heartbeats()
    await heartbeats.hear(SUBJECT, payload)
    assert heartbeats.take() == {}
