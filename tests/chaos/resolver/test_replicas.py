"""Any number of replicas: killing, pausing or adding one loses no question."""

import asyncio
import time
from functools import partial
from pathlib import Path

from imagedrift_runtime.nats.topology import ACK_WAIT_S
from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Fault, RouteKind, SandboxRegistry, TagPaging
from imagedrift_sandbox.registry.faults import latency
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import Found
from support.polling import until
from support.resolver import ResolverClient, resolve, resolver_client, spawn, trusting

REFERENCES = 30
START_S = 10.0
"""What a busy machine takes to start a resolver, and to answer."""


def push(registry: SandboxRegistry) -> list[str]:
    """Push images and return their references."""
    for number in range(REFERENCES):
        registry.push_image(f"app{number}", seed=number)
    return [registry.reference(f"app{number}", "latest") for number in range(REFERENCES)]


async def in_flight(at: ResolverClient, registry: SandboxRegistry) -> int:
    """How many questions are delivered and not settled."""
    lane = subjects.lane_consumer(at.lanes.lane_of(registry.host))
    return (await at.nats.lag(subjects.STREAM_LOOKUP, lane)).in_flight


async def some(registry: SandboxRegistry) -> bool:
    """Tell whether the registry was asked a few times."""
    return registry.totals().total >= 5


async def test_killed_paused_and_new_replicas_lose_no_question(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """Killed, paused and new replicas lose no question."""
    async with SandboxRegistry().serving() as registry:
        references = push(registry)
        registry.misbehave(latency(0.05))
        toml = trusting(registry.host, max_connections=6)
        children: list[ChildProcess] = []
        try:
            async with resolver_client(fresh_nats.url, toml) as at:
                children += [spawn(fresh_nats.url, tmp_path / str(n), toml) for n in range(2)]
                questions = [resolve(reference) for reference in references]
                for question in questions:
                    assert await at.put(question)
                await until(lambda: some(registry), what="the first requests")
                held = await in_flight(at, registry)
                children[1].pause()
                children[0].kill()
                children.append(spawn(fresh_nats.url, tmp_path / "2", toml))
                await asyncio.sleep(0.5)
                children[1].resume()
                began = time.monotonic()
                answers = [await at.answer(question, within_s=60) for question in questions]
                took = time.monotonic() - began
            assert all(isinstance(answer.outcome, Found) for answer in answers)
            assert held > 0
            assert took < ACK_WAIT_S + START_S
            assert REFERENCES <= registry.totals().head_requests <= REFERENCES + held
        finally:
            for child in children:
                child.stop()


def is_listed(registry: SandboxRegistry, before: int) -> bool:
    """Tell whether tags were asked for once more."""
    return registry.totals().of(RouteKind.TAGS) > before


async def test_a_list_is_made_again_when_its_replica_is_killed_or_told_to_stop(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A list that ended in the middle leaves nothing; another replica makes it as a whole."""
    async with SandboxRegistry().serving() as registry:
        registry.push_tags("team/app", [f"1.{number}" for number in range(300)])
        registry.tag_paging = TagPaging.QUAY
        number = registry.misbehave(Fault(kinds=(RouteKind.TAGS,), after=2, hang=True))
        toml = trusting(registry.host)
        children: list[ChildProcess] = []
        try:
            async with resolver_client(fresh_nats.url, toml) as at:
                children.append(spawn(fresh_nats.url, tmp_path / "0", toml))
                listing = asyncio.create_task(
                    at.list_tags(registry.reference("team/app", "1.0"), ttl_s=300, within_s=60)
                )
                for ending in (ChildProcess.kill, ChildProcess.stop):
                    asked = registry.totals().of(RouteKind.TAGS)
                    is_asked = partial(is_listed, registry, asked)
                    await until(is_asked, what="the list hangs", within_s=ACK_WAIT_S + START_S)
                    ending(children[-1])
                    children.append(spawn(fresh_nats.url, tmp_path / str(len(children)), toml))
                registry.faults.remove(number)
                listed = await listing
            assert (listed.count, listed.truncated, listed.failures) == (300, "", 0)
        finally:
            for child in children:
                child.stop()


async def test_two_resolvers_make_one_request_per_reference(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """P3: two resolvers make one HEAD per reference and freshness period."""
    async with SandboxRegistry().serving() as registry:
        references = push(registry)
        toml = trusting(registry.host)
        children = [spawn(fresh_nats.url, tmp_path / str(n), toml) for n in range(2)]
        try:
            async with resolver_client(fresh_nats.url, toml) as at:
                first = [resolve(reference) for reference in references]
                taken = [await at.put(question) for question in first]
                again = [await at.put(resolve(reference)) for reference in references * 3]
                for question in first:
                    await at.answer(question)
            assert all(taken)
            assert not any(again)
            assert registry.totals().total == REFERENCES
        finally:
            for child in children:
                child.stop()


async def test_nats_may_go_away_and_come_back(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """Questions in the stream are answered once NATS is back."""
    async with SandboxRegistry().serving() as registry:
        references = push(registry)
        registry.misbehave(latency(0.02))
        toml = trusting(registry.host, max_connections=2)
        child = spawn(fresh_nats.url, tmp_path / "one", toml)
        try:
            async with resolver_client(fresh_nats.url, toml) as at:
                questions = [resolve(reference) for reference in references]
                for question in questions:
                    assert await at.put(question)
                await until(lambda: some(registry), what="the first requests")
            await asyncio.to_thread(fresh_nats.kill)
            await fresh_nats.restart()
            async with resolver_client(fresh_nats.url, toml) as at:
                answers = [await at.answer(question, within_s=90) for question in questions]
            assert all(isinstance(answer.outcome, Found) for answer in answers)
        finally:
            child.stop()
