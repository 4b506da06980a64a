"""The shared cache and the shared states on a real NATS server, changed by compare-and-set."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from imagedrift_resolver.adapters.jetstream import (
    JetStreamCache,
    JetStreamQuestions,
    JetStreamStates,
)
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, RegistryState
from support.ingest import answer
from support.resolver import now, resolve

QUESTION = resolve("docker.io/library/nginx:1.27")


@pytest.fixture
async def nats(fresh_nats: NatsServer) -> AsyncIterator[Bus]:
    """A server with the buckets and streams."""
    async with bus.connect([fresh_nats.url], "test") as connection:
        await provision.ensure(connection)
        yield connection


def at(seconds: float, version: int) -> Answer:
    """An answer that was got so long ago."""
    moment = now() - timedelta(seconds=seconds)
    message = answer(version=version, checked_at=moment)
    assert isinstance(message, Answer)
    return message


async def cache_of(nats: Bus) -> JetStreamCache:
    """The cache of one replica."""
    return JetStreamCache(
        await nats.bucket(subjects.BUCKET_DIGESTS), await nats.bucket(subjects.BUCKET_TAGS), now
    )


async def test_what_one_replica_keeps_another_one_reads(nats: Bus) -> None:
    """An answer is there for another replica once it is kept, and not before."""
    one, other = await cache_of(nats), await cache_of(nats)
    assert await other.read(QUESTION) == (None, 0)

    kept = await one.keep(at(0, 1), 0)

    found, revision = await other.read(QUESTION)
    assert found == kept
    assert revision > 0


async def test_a_replica_that_was_held_up_keeps_no_older_answer(nats: Bus) -> None:
    """The newer one of another replica is returned in its place."""
    one, other = await cache_of(nats), await cache_of(nats)
    newer = await other.keep(at(0, 2), 0)

    assert await one.keep(at(60, 1), 0) == newer
    assert (await one.read(QUESTION))[0] == newer


async def test_a_newer_answer_replaces_the_one_that_came_meanwhile(nats: Bus) -> None:
    """The write is tried again on the revision that is there."""
    one, other = await cache_of(nats), await cache_of(nats)
    await other.keep(at(60, 1), 0)

    newer = at(0, 2)
    assert await one.keep(newer, 0) == newer
    assert (await other.read(QUESTION))[0] == newer


async def test_an_answer_that_cannot_be_read_is_as_good_as_none(nats: Bus) -> None:
    """An unreadable answer is replaced by the next one."""
    bucket = await nats.bucket(subjects.BUCKET_DIGESTS)
    await bucket.replace(subjects.answer_key(QUESTION), b"{", 0)
    cache = await cache_of(nats)

    found, revision = await cache.read(QUESTION)
    assert found is None
    await cache.keep(at(0, 1), revision)
    assert (await cache.read(QUESTION))[0] is not None


async def test_changes_of_several_replicas_all_count(nats: Bus) -> None:
    """Each is applied to what the others have left."""
    bucket = await nats.bucket(subjects.BUCKET_REGISTRIES)
    own = RegistryState(registry="r.io", rate_remaining=100, observed_at=now())

    def spend(state: RegistryState) -> RegistryState:
        return replace(state, rate_remaining=(state.rate_remaining or 0) - 1)

    replicas = [JetStreamStates(bucket) for _ in range(3)]
    changed = await asyncio.gather(*(each.change(own, spend) for each in replicas))

    shared = await replicas[0].read("r.io", "anonymous")
    assert None not in changed
    assert shared is not None
    assert shared.rate_remaining == 97
    assert await replicas[0].read("other.io", "anonymous") is None


async def test_a_removed_question_can_be_asked_again(nats: Bus) -> None:
    """While it is in its stream, the server refuses it."""
    subject = subjects.lookup("hub", QUESTION)
    payload = codec.encode(QUESTION)
    first = await nats.publish(subject, payload, ttl_s=60)
    refused = await nats.publish(subject, payload, ttl_s=60)

    await JetStreamQuestions(nats).remove(subject)

    assert type(await nats.publish(subject, payload, ttl_s=60)) is type(first)
    assert type(refused) is not type(first)
