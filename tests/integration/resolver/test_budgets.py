"""Budgets on real servers: stop before the limit, stay away after a 429, share both."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest

from imagedrift_resolver.core import site
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Budget, Dialect, Fault, RouteKind, SandboxRegistry, Wait
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, Found, Limited, RegistryState
from support.polling import until
from support.resolver import ResolverClient, now, resolve, trusting, working

BOTH = (RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET)


def push(registry: SandboxRegistry, count: int) -> list[str]:
    """Push images and return their references."""
    for number in range(count):
        registry.push_image(f"app{number}", seed=number)
    return [registry.reference(f"app{number}", "latest") for number in range(count)]


async def ask_all(client: ResolverClient, references: list[str]) -> list[Answer]:
    """Ask about all at once."""
    return list(await asyncio.gather(*(client.ask(reference) for reference in references)))


async def state_of(client: ResolverClient, registry: str) -> RegistryState:
    """Wait until something is shared about a registry."""
    bucket = await client.nats.bucket(subjects.BUCKET_REGISTRIES)
    key = subjects.registry_key(registry, "anonymous")
    entry = await until(lambda: bucket.get(key), what=f"the state of {registry}")
    return codec.decode(entry.value, RegistryState)


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect.DOCKER_HUB,
        Dialect.X_RATELIMIT,
        Dialect.IETF_FIELDS,
        Dialect.IETF_ONE,
        Dialect.IETF_POLICY,
    ],
)
async def test_a_published_limit_is_used_up_without_a_429(
    fresh_nats: NatsServer, tmp_path: Path, dialect: Dialect
) -> None:
    """A published limit is used up without a 429."""
    async with SandboxRegistry().serving() as registry:
        references = push(registry, 16)
        registry.limit(Budget(limit=10, window_s=600, kinds=BOTH, dialect=dialect))
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answers = await ask_all(client, references)
            state = await state_of(client, registry.host)
        assert sum(isinstance(answer.outcome, Found) for answer in answers) == 10
        limited = [a.outcome for a in answers if isinstance(a.outcome, Limited)]
        assert len(limited) == 6
        assert all(outcome.until and outcome.until > now() for outcome in limited)
        assert registry.totals().rejected == 0
        assert (state.rate_limit, state.rate_remaining) == (10, 0)


@pytest.mark.parametrize("wait", list(Wait))
async def test_one_429_stops_everybody(fresh_nats: NatsServer, tmp_path: Path, wait: Wait) -> None:
    """An unpublished limit costs one rejected request."""
    async with SandboxRegistry().serving() as registry:
        references = push(registry, 8)
        registry.limit(Budget(limit=3, window_s=300, kinds=BOTH, dialect=Dialect.NONE, wait=wait))
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answers = await ask_all(client, references)
            state = await state_of(client, registry.host)
        assert sum(isinstance(answer.outcome, Found) for answer in answers) == 3
        assert registry.totals().rejected == 1
        assert state.blocked_until is not None
        told = wait in (Wait.SECONDS, Wait.DATE, Wait.EPOCH, Wait.X_EPOCH)
        expected = timedelta(seconds=300 if told else 60)  # a HEAD has no body to tell it in
        assert state.blocked_until - now() < 1.25 * expected
        assert state.last_status == 429


async def test_a_429_of_where_a_registry_sends_us_stops_everybody_too(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A 429 of a redirected host blocks its registry."""
    async with SandboxRegistry().serving() as front, SandboxRegistry().serving() as behind:
        push(behind, 8)
        references = push(front, 8)
        front.misbehave(Fault(kinds=(RouteKind.MANIFEST_HEAD,), redirect=behind.url))
        behind.limit(Budget(limit=3, window_s=300, kinds=BOTH, dialect=Dialect.NONE))
        async with working(fresh_nats.url, tmp_path, trusting(front.host)) as client:
            answers = await ask_all(client, references)
            state = await state_of(client, front.host)
        assert sum(isinstance(answer.outcome, Found) for answer in answers) == 3
        assert behind.totals().rejected == 1
        assert front.totals().head_requests == 4
        assert state.blocked_until is not None
        assert state.blocked_until > now()


@pytest.mark.parametrize("leads_by", ["head", "get"])
async def test_who_leads_to_another_registry_spends_no_more_than_half_of_its_limit(
    fresh_nats: NatsServer, tmp_path: Path, leads_by: str
) -> None:
    """Redirects of one registry to another leave half of that one's limit, and pass no block."""
    async with SandboxRegistry().serving() as front, SandboxRegistry().serving() as behind:
        push(behind, 40)
        references = push(front, 40)
        if leads_by == "get":
            front.misbehave(Fault(kinds=(RouteKind.MANIFEST_HEAD,), status=405))
        front.misbehave(Fault(kinds=BOTH, redirect=behind.url))
        behind.limit(Budget(limit=20, window_s=600, kinds=BOTH, dialect=Dialect.X_RATELIMIT))
        toml = trusting(front.host, behind.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = await ask_all(client, references)
            own = await client.ask(behind.reference("app0", "latest"))
            limited = [a.outcome for a in answers if isinstance(a.outcome, Limited)]
        assert isinstance(own.outcome, Found)
        assert behind.totals().total <= 12
        assert len(limited) >= 28
        assert all(behind.host in outcome.reason or "half" in outcome.reason for outcome in limited)


async def test_a_429_that_another_led_to_stops_everybody_for_that_registry(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A redirect's 429 is learnt for the registry that said it."""
    async with SandboxRegistry().serving() as front, SandboxRegistry().serving() as behind:
        references = push(front, 1)
        push(behind, 2)
        front.misbehave(Fault(kinds=BOTH, redirect=behind.url))
        behind.limit(
            Budget(limit=0, window_s=300, kinds=BOTH, dialect=Dialect.NONE, wait=Wait.SECONDS)
        )
        toml = trusting(front.host, behind.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            await client.ask(references[0])
            own = await client.ask(behind.reference("app1", "latest"))
        assert isinstance(own.outcome, Limited)
        assert behind.totals().total == 1


async def test_a_stop_outlives_the_resolver(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A block survives a restart of the resolver."""
    async with SandboxRegistry().serving() as registry:
        references = push(registry, 3)
        registry.limit(
            Budget(limit=0, window_s=300, kinds=BOTH, dialect=Dialect.NONE, wait=Wait.SECONDS)
        )
        toml = trusting(registry.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            await client.ask(references[0])
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = await ask_all(client, references[1:])
        assert all(isinstance(answer.outcome, Limited) for answer in answers)
        assert registry.totals().total == 1


async def test_a_lane_of_its_own_is_paused_on_the_server(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """After a 429 a registry's own lane is paused on the server."""
    async with SandboxRegistry().serving() as registry:
        references = push(registry, 3)
        registry.limit(
            Budget(limit=1, window_s=2, kinds=BOTH, dialect=Dialect.NONE, wait=Wait.SECONDS)
        )
        toml = trusting(registry.host, max_connections=1)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            consumer = subjects.lane_consumer(registry.host)
            await client.ask(references[0])
            await client.ask(references[1])

            async def paused() -> bool:
                return (await client.nats.lag(subjects.STREAM_LOOKUP, consumer)).paused

            await until(paused, what="the lane is paused")
            last = await client.ask(references[2])
            assert not await paused()
        assert isinstance(last.outcome, Found)
        assert registry.totals().rejected == 1


async def test_a_configured_pace_is_kept_by_all_replicas_together(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """Two resolvers keep a configured pace together."""
    async with SandboxRegistry().serving() as registry:
        references = push(registry, 20)
        toml = trusting(registry.host, requests_per_second=10)
        (tmp_path / "other").mkdir()
        async with (
            working(fresh_nats.url, tmp_path, toml) as client,
            working(fresh_nats.url, tmp_path / "other", toml),
        ):
            began = time.monotonic()
            answers = await ask_all(client, references)
            took = time.monotonic() - began
        assert all(isinstance(answer.outcome, Found) for answer in answers)
        assert took > 1.7
        assert took < 10


@pytest.mark.parametrize("is_hub", [True, False])
async def test_docker_hub_spends_gets_on_descriptions_alone(
    fresh_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_hub: bool
) -> None:
    """A used up pull limit of Docker Hub stops descriptions, and not HEADs."""
    if is_hub:
        monkeypatch.setattr(site, "HUB_API", "127.0.0.1")
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("library/app", "1")
        registry.push_image("library/app", "2", seed=2)
        registry.limit(Budget(limit=100, window_s=600, dialect=Dialect.DOCKER_HUB))
        assert registry.meter is not None
        for _ in range(85):
            registry.meter.charge(RouteKind.MANIFEST_GET, "", time.time())  # noqa: TID251
        toml = trusting("docker.io", endpoint=registry.host)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            first = await client.ask("docker.io/library/app:1")
            described = await client.describe("docker.io/library/app:1", pushed.digest)
            second = await client.ask("docker.io/library/app:2")
        assert isinstance(first.outcome, Found)
        assert isinstance(second.outcome, Found)
        assert registry.totals().head_requests == 2
        if is_hub:
            assert isinstance(described.failure, Limited)
            assert "kept for pulls" in described.failure.reason
            assert registry.totals().get_requests == 0
        else:
            assert described.failure is None


async def test_an_answer_in_the_cache_costs_nothing(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A fresh cached answer costs no request."""
    async with SandboxRegistry().serving() as registry:
        [reference] = push(registry, 1)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            question = resolve(reference)
            await client.put(question, 1)
            first = await client.answer(question)
            await client.put_anew(resolve(reference, fresh_since=question.fresh_since))
            later = resolve(registry.reference("app0", "none"))
            await client.put(later)
            await client.answer(later)
            assert await client.read(question, Answer) == first
        assert [s.reference for s in registry.counts.requests if s.method == "HEAD"] == [
            "latest",
            "none",
        ]
