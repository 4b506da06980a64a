"""Buckets: the newest value, and compare and swap."""

import asyncio
import uuid

import pytest

from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.errors import NoBus, NotPublished
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_runtime.nats.results import BucketEntry
from imagedrift_sandbox.nats import NatsServer
from support.nats_client import jetstream
from support.polling import until

KEY = "docker=2Eio.library/nginx=3Alatest"


async def make(bus: Bus, **config: object) -> Bucket:
    """Create a bucket of the test's own."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    await jetstream(bus).add_stream(
        name=f"KV_{name}",
        subjects=[f"$KV.{name}.>"],
        max_msgs_per_subject=1,
        allow_rollup_hdrs=True,
        allow_direct=True,
        **config,
    )
    return await bus.bucket(name)


async def test_a_value_is_read_as_written(bus: Bus) -> None:
    """A read gives the last value with its revision; an empty value is one too."""
    bucket = await make(bus)

    revisions = [await bucket.put(KEY, value) for value in (b"1", b"2")]

    assert await bucket.get(KEY) == BucketEntry(b"2", revisions[1])
    assert revisions == [1, 2]
    assert await bucket.get("no.such") is None
    await bucket.put(KEY, b"")
    assert await bucket.get(KEY) == BucketEntry(b"", 3)


async def test_a_read_goes_to_the_leader(bus: Bus) -> None:
    """A replica, which answers direct reads, may not have the newest value yet."""
    bucket = await make(bus)
    await bucket.put(KEY, b"1")
    asked: list[str] = []

    async def note(subject: str, payload: bytes) -> None:
        asked.append(subject)

    for kind in ("STREAM.MSG.GET", "DIRECT.GET"):
        await bus.listen(f"$JS.API.{kind}.{bucket.stream}.>", note)
        await bus.listen(f"$JS.API.{kind}.{bucket.stream}", note)
    await bucket.get(KEY)
    await until(lambda: asked, what="the request is seen")

    assert asked == [f"$JS.API.STREAM.MSG.GET.{bucket.stream}"]


async def test_of_many_who_replace_one_revision_one_wins(bus: Bus) -> None:
    """Compare and swap: all others learn that they lost."""
    bucket = await make(bus)
    revision = await bucket.put(KEY, b"0")

    answers = await asyncio.gather(*(bucket.replace(KEY, b"%d" % n, revision) for n in range(20)))

    assert sorted(answers, key=str) == [2, *[None] * 19]


async def test_of_many_who_create_one_key_one_wins(bus: Bus) -> None:
    """Revision 0 means that there is none yet."""
    bucket = await make(bus)

    answers = await asyncio.gather(*(bucket.replace(KEY, b"%d" % n, 0) for n in range(20)))

    assert sorted(answers, key=str) == [1, *[None] * 19]


async def test_a_deleted_key_reads_as_none_and_can_be_made_anew(bus: Bus) -> None:
    """The marker of a deletion is no value, and no obstacle."""
    bucket = await make(bus)
    await bucket.put(KEY, b"1")
    subject = f"$KV.{bucket.name}.{KEY}"
    await bus.publish(subject, b"", headers={"KV-Operation": "DEL"})  # as `nats kv del` does

    gone = await bucket.get(KEY)
    anew = await bucket.replace(KEY, b"2", 0)

    assert gone is None
    assert anew == 3
    assert await bucket.replace(KEY, b"3", 0) is None
    assert await bucket.get(KEY) == BucketEntry(b"2", 3)


async def test_a_key_that_expired_under_a_marker_can_be_made_anew(bus: Bus) -> None:
    """Where somebody has set limit markers, an expired key is gone for us all the same."""
    bucket = await make(bus, allow_msg_ttl=True, subject_delete_marker_ttl=60)
    await bus.publish(f"$KV.{bucket.name}.{KEY}", b"1", ttl_s=1)
    assert await bucket.get(KEY) is not None

    await until(lambda: _is_gone(bucket), what="it has expired")

    assert await bucket.replace(KEY, b"2", 0) is not None
    assert (await bucket.get(KEY) or BucketEntry(b"", 0)).value == b"2"


async def _is_gone(bucket: Bucket) -> bool:
    return await bucket.get(KEY) is None


async def test_a_missing_bucket_names_the_remedy(bus: Bus) -> None:
    """Nothing is created by a service: an operator runs a command for that."""
    with pytest.raises(NoBus, match=r"stream not found: run `imagedrift streams`"):
        await bus.bucket("no_such")


async def test_a_bucket_without_a_server_says_so(
    fresh_nats: NatsServer,
) -> None:
    """Reading and writing fail with our own errors, in the bound of a call."""
    async with connect([fresh_nats.url], "test", spool=False) as bus:
        bucket = await make(bus)
        fresh_nats.kill()
        await until(lambda: not bus.server, what="the client saw the end")

        with pytest.raises(NoBus):
            await bucket.get(KEY)
        with pytest.raises(NotPublished):
            await bucket.put(KEY, b"1")
