"""A scoped signing key with the template of docs/deployment.md serves many hosts."""

import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from imagedrift_agent.adapters.jetstream import connected
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.connection import Connection
from imagedrift_runtime.nats.errors import NoBus, NotPublished
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import subjects
from support.deploy import ROOT
from support.ingest import image, inventory
from support.nats_bus import opened
from support.nats_operator import ScopedFleet
from support.polling import until


def template(word: str) -> list[str]:
    """The subjects that the page's template lets an agent publish or subscribe."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    found = re.findall(rf"^{word} +(\S+)$", page, re.MULTILINE)
    assert found
    return found


@pytest.fixture(scope="module")
def scoped() -> ScopedFleet:
    """An operator whose agents are let in by the documented template."""
    shared = [subjects.INVENTORY_ALL, subjects.ALIVE_ALL]
    return ScopedFleet(shared, template("publish"), template("subscribe"))


@pytest.fixture(scope="module")
def server(scoped: ScopedFleet) -> Iterator[NatsServer]:
    """A server that trusts this operator."""
    with NatsServer.start_sync(config_extra=scoped.config) as running:
        yield running


@pytest.fixture
async def service(
    server: NatsServer, scoped: ScopedFleet, tmp_path: Path
) -> AsyncIterator[Connection]:
    """A service's connection, with every stream there."""
    credentials = str(scoped.service(tmp_path / "service.creds"))
    async with opened(server.url, credentials=credentials) as (as_service, connection):
        await provision.ensure(as_service)
        yield connection


async def test_each_host_speaks_for_itself_by_its_name_alone(
    server: NatsServer, service: Connection, scoped: ScopedFleet, tmp_path: Path
) -> None:
    """Two hosts of one signing key publish their own inventories, and not each other's."""
    for host, other in (("web-1", "web-2"), ("web-2", "web-1")):
        credentials = str(scoped.agent(tmp_path / f"{host}.creds", "fra1", host))
        async with connected(
            [server.url], "fra1", host, credentials=credentials, ca=""
        ) as publisher:
            await publisher.publish(inventory(host, [image()]))
        async with opened(
            server.url,
            credentials=credentials,
            inbox=f"_INBOX_fra1.{host}",
            spool=False,
            call_within_s=0.3,  # refusals are time-outs
        ) as (as_agent, connection):
            for foreign in (f"_INBOX_fra1.{other}.>", f"_INBOX_ams1.{host}.>"):
                await connection.client.subscribe(foreign)
                await until(partial(_is_refused, connection, foreign), what=f"{foreign} is refused")
            for elsewhere in (
                subjects.inventory("fra1", other),
                subjects.inventory("ams1", host),
                f"$JS.API.STREAM.PURGE.{subjects.STREAM_INVENTORY}",
            ):
                with pytest.raises(NotPublished, match=r"(?i)permissions violation"):
                    await as_agent.publish(elsewhere, b"{}")
            await connection.client.publish(
                subjects.inventory("fra1", host), b"{}", reply=subjects.inventory("fra1", other)
            )
            await connection.client.flush()
    for host in ("web-1", "web-2"):
        stored = await service.js.get_last_msg(
            subjects.STREAM_INVENTORY, subjects.inventory("fra1", host)
        )
        assert stored.data == b"{}"  # what the host said last, and no confirmation of another's


async def test_an_agent_of_another_operator_is_not_let_in(
    server: NatsServer, scoped: ScopedFleet, tmp_path: Path
) -> None:
    """Credentials of an unknown key are refused."""
    stranger = ScopedFleet([], template("publish"), template("subscribe"))
    credentials = str(stranger.agent(tmp_path / "stranger.creds", "fra1", "web-1"))
    with pytest.raises(NoBus, match=r"(?i)authorization"):
        async with bus.connect([server.url], "test", credentials=credentials, within_s=1):
            pass


def _is_refused(connection: Connection, subject: str) -> bool:
    complaint = connection.complaint(0).lower()
    return "subscription" in complaint and subject.lower() in complaint
