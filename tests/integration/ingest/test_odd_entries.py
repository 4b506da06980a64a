"""Entries of the shared buckets that nobody of ours would write cost themselves alone."""

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import subjects
from support.ingest import NGINX, Fleet, Operator, answer, image, ingest
from support.polling import until

GONE = {"KV-Operation": "PURGE"}
DEEP = b"[" * 100_000
ODD = {
    "a key of one part": ("x", b"", GONE),
    "a key of many parts": ("a.b.c.d.e", b"", GONE),
    "an escape that is none": ("docker=2Eio.=ZZ", b"", GONE),
    "an escaped NUL": ("docker=2Eio.a=00b=3A1", b"", GONE),
    "a reference that is none": ("=2F.=2F", b"", GONE),
    "a very long key": ("a." + "b" * 3900, b"", GONE),
    "no JSON": ("docker=2Eio.x=3A1", b"{", {}),
    "a number": ("docker=2Eio.x=3A2", b"1", {}),
    "nothing but brackets": ("docker=2Eio.x=3A3", DEEP, {}),
    "no UTF-8": ("docker=2Eio.x=3A4", b'{"type":"answer","registry":"\xff"}', {}),
    "a lone surrogate": ("docker=2Eio.x=3A5", b'{"type":"answer","registry":"\\ud800"}', {}),
}


@pytest.mark.parametrize("bucket", [subjects.BUCKET_DIGESTS, subjects.BUCKET_REGISTRIES])
async def test_odd_entries_keep_no_answer_from_being_stored(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator, bucket: str
) -> None:
    """Odd entries of a batch delay no good answer."""
    await agents.has("web-1", image())
    for key, payload, headers in ODD.values():
        await agents.bus.publish(f"$KV.{bucket}.{key}", payload, headers=headers)
    await agents.answers(answer())

    async with ingest(dsn, fresh_nats.url):
        await operator.sees(NGINX, verdict="current")

        async def is_done() -> bool:
            lag = await agents.bus.lag(f"KV_{bucket}", subjects.CONSUMER_INGEST)
            return lag.pending == lag.in_flight == 0

        await until(is_done, what="every entry has been dealt with")
