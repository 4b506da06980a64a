"""Work goes on when the leader of three NATS servers is killed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from imagedrift_runtime.nats import consumer, provision
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from imagedrift_runtime.nats.results import AlreadyThere, Stored
from imagedrift_sandbox.nats_cluster import NatsCluster
from imagedrift_schemas import subjects
from support.polling import until

QUESTIONS = 300
ELECTION_S = 30.0
"""Servers elect a new leader within 4 to 9 s; the rest is for a busy machine."""


@pytest.fixture
async def cluster() -> AsyncIterator[NatsCluster]:
    """Three servers that replicate to each other."""
    async with NatsCluster.start(3) as started:
        yield started


async def ask(bus: Bus, number: int) -> Stored | AlreadyThere:
    """Ask a question until NATS has it."""
    while True:
        try:
            return await bus.publish(f"drift.v1.lookup.hub.r.q{number}", b"?", ttl_s=300)
        except NotPublished:
            await asyncio.sleep(0.2)


async def test_questions_outlive_the_server_that_leads_them(cluster: NatsCluster) -> None:
    """Each question is stored once and answered, although the leader dies half way."""
    answered: set[str] = set()
    stopping = asyncio.Event()

    async def answer(delivery: Delivery) -> HandlerOutcome:
        answered.add(delivery.subject)
        return Done()

    async with (
        connect(cluster.urls, "ingest") as asking,
        connect(cluster.urls, "resolver") as answering,
    ):
        first = await provision.ensure(asking, replicas=3)
        second = await provision.ensure(asking, replicas=3)
        loop = consumer.handle_each(
            answering,
            subjects.STREAM_LOOKUP,
            "lane-hub",
            answer,
            service="t",
            slots=16,
            stopping=stopping,
        )
        task = asyncio.create_task(loop)
        for number in range(QUESTIONS // 2):
            await ask(asking, number)
        (await cluster.stream_leader(subjects.STREAM_LOOKUP)).kill()
        for number in range(QUESTIONS // 2, QUESTIONS):
            await ask(asking, number)
        await until(lambda: len(answered) == QUESTIONS, what="all answers", within_s=ELECTION_S)
        again = await ask(asking, 0)
        stopping.set()
        await asyncio.wait_for(task, 10)

    assert {step.action for step in first} == {"created"}
    assert {step.action for step in second} == {"unchanged"}
    assert again == AlreadyThere(), "the new leader knows what was asked"
