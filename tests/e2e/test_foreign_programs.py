"""An agent and a follower in JavaScript, with NATS' own client and the permissions that we ship.

Both are written from docs/messages.md alone. A fact that they need and the page lacks is its fault.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.errors import NoAnswer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Alive, Changed, Inventory, LocalImage
from support.deploy import ShippedNats, followers, nats_environment
from support.foreign import FOLDER, node
from support.ingest import NGINX, Fleet, answer, digest, image, ingest
from support.nats_client import jetstream, nats_client
from support.operator import Operator
from support.polling import until
from support.schemas import faults

PULL = "CONSUMER.MSG.NEXT.DRIFT_CHANGED.alerts"
LAST_SEEN = "SELECT last_seen_at FROM ops.hosts"
INBOX = json.loads(nats_environment()["AGENT_INBOX"]).removesuffix(".>")
PASSWORDS = {"service": "20261123", "agent": "20261124", "alerts": "20261127"}


class Program:
    """A program in JavaScript that reads lines and writes lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(
        cls, file: str, server: ShippedNats, user: str, **variables: str
    ) -> AsyncIterator["Program"]:
        """Run a program as a user of NATS; the end of its input stops it."""
        access = {"NATS_URL": server.url, "NATS_USER": user, "NATS_PASSWORD": PASSWORDS[user]}
        process = await asyncio.create_subprocess_exec(
            node(),
            file,
            cwd=FOLDER,
            env=access | variables,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield cls(process)
            assert process.stdin
            process.stdin.close()
            assert await asyncio.wait_for(process.wait(), 15) == 0
        finally:
            with suppress(ProcessLookupError):
                process.kill()

    async def write(self, value: object) -> None:
        """Write a line to the program."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        await self._process.stdin.drain()

    async def read(self) -> Any:
        """Return the next line that it writes."""
        assert self._process.stdout
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), 15))


@pytest.fixture(scope="module")
def shipped() -> Iterator[ShippedNats]:
    """A server with nats-server.conf, and the follower of the example in followers.conf."""
    server = ShippedNats(
        "nats-server.conf", nats_environment(), followers=followers(PASSWORDS["alerts"])
    )
    with server.started() as running:
        yield running


@pytest.fixture
async def fleet(shipped: ShippedNats) -> AsyncIterator[Fleet]:
    """A service's connection, with the streams and the follower's consumer made."""
    service = shipped.url_of("service", PASSWORDS["service"])
    async with bus.connect([service], "test") as nats:
        await provision.ensure(nats)
        await make_consumer(service)
        yield Fleet(nats)


async def make_consumer(service: str) -> None:
    """Make a durable consumer by the command of docs/messages.md."""
    from nats.js.api import ConsumerConfig

    await jetstream(service).add_consumer(
        subjects.STREAM_CHANGED,
        ConsumerConfig(durable_name="alerts", ack_policy="explicit", deliver_policy="new"),
    )


def as_json(images: list[LocalImage]) -> list[dict[str, Any]]:
    """Return images as JSON without default values, as another program may write them."""
    full = LocalImage(reference="", image_id="")
    return [
        {
            name: value
            for name, value in json.loads(codec.encode(each)).items()
            if value != json.loads(codec.encode(full)).get(name)
        }
        for each in images
    ]


def seen_after(moment: datetime, operator: Operator) -> Callable[[], Awaitable[bool]]:
    """Return a check whether the host was seen after this time."""

    async def look() -> bool:
        [row] = await operator.ask(LAST_SEEN)
        return bool(row["last_seen_at"] > moment)

    return look


async def test_a_foreign_agent_and_a_foreign_follower_take_part(
    shipped: ShippedNats, fleet: Fleet, database_dsn: str
) -> None:
    """A foreign agent's inventory becomes a row, and a foreign follower sees a moved tag."""
    await migrate(database_dsn)
    operator = Operator(database_dsn)
    service = shipped.url_of("service", PASSWORDS["service"])
    images = [image(containers=("web",), running=1), image("ghcr.io/a/b:1", by_digest=True)]
    heard: list[bytes] = []

    async def hear(subject: str, payload: bytes) -> None:
        heard.append(payload)

    await fleet.bus.listen("drift.v1.alive.fra1.web-1", hear)
    async with (
        ingest(database_dsn, service),
        Program.running("follower.mjs", shipped, "alerts") as follower,
        Program.running(
            "agent.mjs", shipped, "agent", SITE="fra1", HOST="web-1", INBOX=INBOX
        ) as agent,
    ):
        await agent.write(as_json(images))
        message = await agent.read()
        assert message == {"said": "inventory", "content": codec.content_hash(images)}
        await operator.sees(NGINX, verdict="unknown")
        await fleet.answers(answer(version=1))
        await operator.sees(NGINX, verdict="current")

        [before] = await operator.ask(LAST_SEEN)
        await agent.write(as_json(images))
        assert (await agent.read())["said"] == "alive"
        await until(seen_after(before["last_seen_at"], operator), what="the heartbeat counts")

        await fleet.answers(answer(version=2))
        await operator.sees(NGINX, verdict="outdated")
        changes = [await follower.read(), await follower.read()]
        [host] = await operator.ask("SELECT host, hostname, degraded FROM ops.hosts")

    verdicts = [each["change"]["to_verdict"] for each in changes]
    assert verdicts == ["current", "outdated"]
    moved = codec.decode(json.dumps(changes[1]["change"]).encode(), Changed)
    assert changes[1]["subject"] == subjects.changed("docker.io", "library/nginx", "1.27")
    assert (moved.remote_digest, moved.hosts) == (digest((NGINX, 2)), 1)
    assert (host["host"], host["hostname"], host["degraded"]) == ("web-1", "foreign", None)
    stored = await jetstream(service).get_last_msg(
        subjects.STREAM_INVENTORY, subjects.inventory("fra1", "web-1")
    )
    assert codec.decode(stored.data, Inventory).content == codec.content_hash(images)
    assert faults(stored.data) == []
    assert codec.decode(heard[0], Alive).host == "web-1"
    assert faults(heard[0]) == []


FORBIDDEN = {
    "an inventory": subjects.inventory("fra1", "web-1"),
    "a change of its own": subjects.changed("docker.io", "library/nginx", "1"),
    "another follower's messages": "FLEET.API.CONSUMER.MSG.NEXT.DRIFT_CHANGED.other",
    "a consumer of its own": "FLEET.API.CONSUMER.CREATE.DRIFT_CHANGED.own",
    "the cache": subjects.RESOLVER_LOOKUP,
}


@pytest.mark.parametrize("subject", FORBIDDEN.values(), ids=list(FORBIDDEN))
async def test_a_follower_can_do_nothing_but_follow(
    shipped: ShippedNats, fleet: Fleet, subject: str
) -> None:
    """The server refuses every other subject that a follower publishes to."""
    url = shipped.url_of("alerts", PASSWORDS["alerts"])
    async with bus.connect([url], "test", inbox="_INBOX_alerts", spool=False) as follower:
        with pytest.raises(NoAnswer, match=r"(?i)permissions violation"):
            await follower.request(subject, b"{}", timeout=1)


async def test_a_follower_cannot_have_the_server_speak_elsewhere(
    shipped: ShippedNats, fleet: Fleet
) -> None:
    """A follower's pull may name any reply subject, and its messages stay in its account."""
    heard: list[str] = []

    async def hear(subject: str, payload: bytes) -> None:
        heard.append(subject)

    target = subjects.alive("fra1", "web-1")
    await fleet.bus.listen(target, hear)
    await fleet.bus.publish(subjects.changed("docker.io", "library/nginx", "1"), b"{}")
    url = shipped.url_of("alerts", PASSWORDS["alerts"])
    async with nats_client(url, inbox_prefix=b"_INBOX_alerts") as follower:
        await follower.publish(f"FLEET.API.{PULL}", b"", reply=target)
        await follower.flush()
    await fleet.bus.probe()
    assert heard == []

    # The account of the services is where it would be heard.
    async with nats_client(shipped.url_of("service", PASSWORDS["service"])) as service:
        await service.publish(f"$JS.API.{PULL}", b"", reply=target)
    await until(lambda: heard, what="the server speaks for who may")
