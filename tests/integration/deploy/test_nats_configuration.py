"""The shipped NATS configurations work on the real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from imagedrift_agent.adapters.jetstream import JetStreamPublisher, connected
from imagedrift_agent.doctor import examine
from imagedrift_agent.reporter import PublishFailed
from imagedrift_agent.settings import AgentSettings
from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.connection import Connection
from imagedrift_runtime.nats.errors import NoAnswer, NoBus, NotPublished
from imagedrift_runtime.nats.fetch import fetching
from imagedrift_runtime.nats.results import Stored
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, Inventory
from support.deploy import ShippedNats, nats_environment
from support.ingest import NGINX, NOW, image, ingest, inventory
from support.nats_bus import opened
from support.nats_client import jetstream
from support.operator import Operator
from support.polling import until

OWN = subjects.inventory("fra1", "web-1")
OTHER = subjects.inventory("fra1", "web-2")
ELSEWHERE = {
    "another host's inventory": OTHER,
    "another host's heartbeat": subjects.alive("fra1", "web-2"),
    "its own id at another site": subjects.inventory("ams1", "web-1"),
    "the JetStream API": f"$JS.API.STREAM.PURGE.{subjects.STREAM_INVENTORY}",
    "the shared cache": f"$KV.{subjects.BUCKET_DIGESTS}.docker=2Eio.library/nginx=3A1",
    "the registries' budgets": f"$KV.{subjects.BUCKET_REGISTRIES}.docker=2Eio.anonymous",
    "questions": "drift.v1.lookup.hub.docker=2Eio.library/nginx=3A1",
    "the shared tag lists": f"$KV.{subjects.BUCKET_TAGS}.docker=2Eio.library/nginx",
    "questions for tags": "drift.v1.list.hub.docker=2Eio.library/nginx",
    "acknowledgements": f"$JS.ACK.{subjects.STREAM_INVENTORY}.ingest.1.1.1.1.0",
    "changed verdicts": "drift.v1.changed.docker=2Eio.library/nginx=3A1",
    "dead letters": "drift.v1.dead.ingest",
}


@pytest.fixture(scope="module")
def shipped() -> Iterator[ShippedNats]:
    """A server on nats-server.conf, with the variables that the Compose file sets."""
    with ShippedNats("nats-server.conf", nats_environment()).started() as server:
        yield server


@pytest.fixture
async def service(shipped: ShippedNats) -> AsyncIterator[Bus]:
    """A connection as our services have it, with every stream there."""
    async with bus.connect([shipped.url_of("service", "20261123")], "test-service") as connection:
        await provision.ensure(connection)
        yield connection


def as_service(server: ShippedNats) -> Any:
    """Return JetStream's API as an operator has it, who knows the services' password."""
    return jetstream(server.url_of("service", "20261123"))


def as_agent(
    server: ShippedNats, inbox: str = "_INBOX_fra1.web-1"
) -> AbstractAsyncContextManager[tuple[Bus, Connection]]:
    """Connect with the credentials of host web-1, to try whatever one likes with them."""
    return opened(
        server.url_of("agent", "20261124"),
        inbox=inbox,
        spool=False,
        call_within_s=0.3,  # refusals are time-outs
    )


@asynccontextmanager
async def agent(server: ShippedNats) -> AsyncIterator[JetStreamPublisher]:
    """The agent's own connection, as the service makes it."""
    url = server.url_of("agent", "20261124")
    async with connected([url], "fra1", "web-1", credentials="", ca="") as publisher:
        yield publisher


async def test_p8_an_agent_can_speak_only_for_its_own_host(
    shipped: ShippedNats, service: Bus
) -> None:
    """An agent can publish its own inventory, and the server refuses all else."""
    async with agent(shipped) as publisher:
        await publisher.publish(inventory("web-1", [image()]))
    stored = await as_service(shipped).get_last_msg(subjects.STREAM_INVENTORY, OWN)
    assert codec.decode(stored.data, Inventory).host == "web-1"

    async with as_agent(shipped) as (connection, _):
        for what, subject in ELSEWHERE.items():
            with pytest.raises(NotPublished, match=r"(?i)permissions violation") as refusal:
                await connection.publish(subject, b"{}")
            assert subject in str(refusal.value), what


async def test_a_heartbeat_reaches_ingest_from_its_own_host_only(
    shipped: ShippedNats, service: Bus
) -> None:
    """Heartbeats cross from the agents' account to the queue of ingest, one host's only."""
    heard: list[str] = []

    async def hear(subject: str, payload: bytes) -> None:
        heard.append(subject)

    await service.listen(subjects.ALIVE_ALL, hear, queue=subjects.CONSUMER_INGEST)
    await service.probe()
    async with as_agent(shipped) as (connection, _):
        await connection.say(subjects.alive("fra1", "web-2"), b"{}")
    async with agent(shipped) as publisher:
        await publisher.send_heartbeat(Alive(site="fra1", host="web-1", content="sha256:0", at=NOW))
    await until(lambda: heard, what="a heartbeat is heard")
    assert heard == [subjects.alive("fra1", "web-1")]


@pytest.mark.parametrize("target", ELSEWHERE.values(), ids=list(ELSEWHERE))
async def test_an_agent_cannot_have_the_server_speak_elsewhere(
    shipped: ShippedNats, service: Bus, target: str
) -> None:
    """JetStream's confirmation to a reply subject stays in the agents' account."""
    await service.publish(OTHER, b"the truth")
    heard: list[str] = []

    async def hear(subject: str, payload: bytes) -> None:
        heard.append(subject)

    await service.listen(target, hear)
    await service.probe()
    async with as_agent(shipped) as (connection, inner):
        for subject in (OWN, subjects.alive("fra1", "web-1"), "$SYS.REQ.USER.INFO"):
            await inner.client.publish(subject, b"{}", reply=target)
        await connection.probe()
        assert isinstance(await connection.publish(OWN, b"{}"), Stored)
    await service.probe()
    assert heard == []
    kept = await as_service(shipped).get_last_msg(subjects.STREAM_INVENTORY, OTHER)
    assert kept.data == b"the truth"


NOT_ITS_OWN = ("_INBOX.>", "_INBOX_fra1.>", "_INBOX_fra1.web-2.>", "_INBOX_ams1.web-1.>")


@pytest.mark.parametrize("subject", [">", "drift.>", *NOT_ITS_OWN, "$JS.>", OTHER])
async def test_an_agent_hears_nothing_but_its_own_answers(
    shipped: ShippedNats, subject: str
) -> None:
    """An agent can subscribe to its own inbox only."""
    async with as_agent(shipped) as (_, connection):
        began = asyncio.get_running_loop().time()
        await connection.client.subscribe(subject)
        await until(
            lambda: "subscription" in connection.complaint(began).lower(),
            what=f"the server refuses a subscription to {subject}",
        )


async def test_the_agent_s_doctor_finds_nothing_wrong(
    shipped: ShippedNats, service: Bus, tmp_path: Path
) -> None:
    """With the shipped permissions an agent may publish, and can compare its clock."""
    images = tmp_path / "images"
    images.write_text("nginx:1.27\n")
    settings = AgentSettings(
        nats_url=(shipped.url_of("agent", "20261124"),),
        site="fra1",
        host_id="web-1",
        state_dir=str(tmp_path),
        source=f"list:{images}",
    )
    findings = {finding.about: finding for finding in await examine(settings)}
    assert all(finding.good for finding in findings.values()), findings
    assert findings["permitted"].what == f"may publish {OWN}"
    assert "s from the server's" in findings["clock"].what


async def test_an_agent_names_its_settings_when_its_permissions_are_of_another_host(
    shipped: ShippedNats, service: Bus
) -> None:
    """An agent with another host's permissions names the two settings to compare."""
    url = shipped.url_of("agent", "20261124")
    async with connected([url], "fra1", "web-9", credentials="", ca="") as publisher:
        with pytest.raises(PublishFailed) as refused:
            await publisher.publish(inventory("web-9", [image()]))

    fault = str(refused.value)
    assert "IMAGEDRIFT_SITE=fra1 and IMAGEDRIFT_HOST_ID=web-9" in fault
    assert subjects.inventory("fra1", "web-9") in fault
    assert "\n" not in fault


async def test_p7_only_our_services_may_ask_what_a_credential_opened(
    shipped: ShippedNats, service: Bus
) -> None:
    """The accounts let only our services ask for cached answers of a credential."""

    async def told(payload: bytes) -> bytes:
        return b"everything"

    await service.serve("cache", "1.0.0", "Tells", "lookup", subjects.RESOLVER_LOOKUP, told)
    assert await service.request(subjects.RESOLVER_LOOKUP, b"x") == b"everything"
    async with as_agent(shipped) as (connection, _):
        for subject in (subjects.RESOLVER_LOOKUP, "$SRV.INFO", "$SRV.STATS.cache"):
            with pytest.raises(NoAnswer, match=r"(?i)permissions violation"):
                await connection.request(subject, b"x", timeout=1)


async def test_services_can_do_all_that_they_need(shipped: ShippedNats, service: Bus) -> None:
    """The services' user can make streams, publish, pull, pause and reset."""
    assert {step.action for step in await provision.ensure(service)} == {"unchanged"}

    digests = await service.bucket(subjects.BUCKET_DIGESTS)
    revision = await digests.put("docker=2Eio.a=3A1", b"one")
    assert await digests.replace("docker=2Eio.a=3A1", b"two", revision)

    question = "drift.v1.lookup.hub.docker=2Eio.library/redis=3A7"
    assert isinstance(await service.publish(question, b"{}", ttl_s=30), Stored)
    consumer = subjects.lane_consumer("hub")
    for_tags = "drift.v1.list.hub.docker=2Eio.library/redis"
    assert isinstance(await service.publish(for_tags, b"{}", ttl_s=30), Stored)
    async with fetching(service, subjects.STREAM_LOOKUP, consumer, asyncio.Event()) as fetch:
        (message,) = await fetch(1)
        await message.ack_sync()
    await service.reset_consumer(subjects.STREAM_INVENTORY, subjects.CONSUMER_INGEST)
    await service.purge_subject(subjects.STREAM_LOOKUP, question)


async def test_nobody_speaks_without_a_password(shipped: ShippedNats) -> None:
    """A connection without a user, or with a wrong password, is refused."""
    for url in (shipped.url, shipped.url_of("service", "wrong")):
        with pytest.raises(NoBus, match=r"(?i)authorization"):
            async with bus.connect([url], "test", within_s=1):
                pass


async def test_what_an_agent_says_reaches_the_database(
    shipped: ShippedNats, service: Bus, database_dsn: str
) -> None:
    """An inventory of the agents' account becomes a row by the services' account."""
    await migrate(database_dsn)
    operator = Operator(database_dsn)
    async with ingest(database_dsn, shipped.url_of("service", "20261123")):
        async with agent(shipped) as publisher:
            await publisher.publish(inventory("web-1", [image()]))
        row = await operator.sees(NGINX, verdict="unknown", reason="not_checked")
        assert (row["site"], row["host"]) == ("fra1", "web-1")
