"""Answers and blocks of a replica whose clock was ahead hold no longer once it is right."""

from datetime import timedelta
from pathlib import Path

from imagedrift_resolver.core.finding import answer
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, Found, RegistryState
from support.polling import until
from support.resolver import now, resolve, trusting, working

AHEAD = timedelta(days=1)
DIGEST = f"sha256:{'0' * 64}"


async def test_an_answer_from_the_future_is_asked_for_again(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """An answer from the future would count as fresh for a day, and overtake every newer one."""
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("app", "1")
        question = resolve(registry.reference("app", "1"))
        early = answer(question, Found(digest=DIGEST), None, now() + AHEAD, "anonymous")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            await client.answers.put(subjects.answer_key(question), codec.encode(early))
            await client.put(question)

            async def replaced() -> Answer | None:
                known: Answer = await client.read(question, Answer)
                return known if known != early else None

            found: Answer = await until(replaced, what="another answer")
        assert found.last_digest == pushed.digest
        assert found.checked_at <= now()


async def test_a_stop_from_the_future_is_not_obeyed(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A stop from the future would hold for a day, and overtake every newer state."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        early = RegistryState(
            registry=registry.host,
            blocked_until=now() + AHEAD,
            rate_remaining=0,
            rate_reset_at=now() + AHEAD,
            observed_at=now() + AHEAD,
        )
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            bucket = await client.nats.bucket(subjects.BUCKET_REGISTRIES)
            key = subjects.registry_key(registry.host, "anonymous")
            await bucket.put(key, codec.encode(early))
            found = await client.ask(registry.reference("app", "1"))
        entry = await bucket_entry(fresh_nats, key)
    assert isinstance(found.outcome, Found)
    assert entry.blocked_until is None
    assert entry.observed_at <= now()


async def bucket_entry(server: NatsServer, key: str) -> RegistryState:
    """Read the shared state of a registry after the resolver has ended."""
    from imagedrift_runtime.nats import bus

    async with bus.connect([server.url], "test") as nats:
        entry = await (await nats.bucket(subjects.BUCKET_REGISTRIES)).get(key)
    assert entry is not None
    return codec.decode(entry.value, RegistryState)
