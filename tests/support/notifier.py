"""The notifier for tests: a small fleet in a database, a receiver of messages, and the service."""

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from aiohttp import web
from msgspec import Struct

from imagedrift_notifier.__main__ import start
from imagedrift_notifier.core.due_group import DueGroup, Topic
from imagedrift_notifier.core.outbound import OutboundMessage
from imagedrift_notifier.core.route import Channel, MessageRoute, TopicKind
from imagedrift_notifier.core.schedule import RouteSchedule
from imagedrift_notifier.settings import NotifierSettings
from imagedrift_notifier.wiring import NotifierPeriods
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.process import Process
from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Changed
from support.decided_fleet import NEW, OTHER, REFERENCES
from support.polling import until

KEY: Final = "whsec_" + base64.b64encode(b"k" * 32).decode()
TOKEN: Final = "s3cr3t-t0k3n"
"""A part of every address, which is never to be seen."""
SOON: Final = NotifierPeriods(sweep=0.1, compose=0.05, deliver=0.05, routes=0.05, prune=3600)
NOW: Final = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)
NGINX: Final = REFERENCES[0]

MOVE = """
WITH a AS (
  UPDATE fleet.answers SET remote_digest = $2, remote_since = now()
  WHERE ref_id = (SELECT ref_id FROM fleet.image_refs WHERE reference = $1)
  RETURNING ref_id
)
UPDATE fleet.comparisons AS c
SET verdict = 'outdated', reason = 'platform_differs', verdict_since = now()
FROM a WHERE c.ref_id = a.ref_id
"""


FAIL = """
UPDATE fleet.answers SET failure = 'denied', error = 'no entry', failures = 3,
  failing_since = now() - interval '1 hour'
WHERE ref_id IN (SELECT ref_id FROM fleet.image_refs WHERE registry = 'ghcr.io')
"""
"""A registry of which a reference has failed for an hour."""


class Received(Struct, frozen=True):
    """A request that a receiver was sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its identity."""
        return self.headers.get("webhook-id", "")

    @property
    def read(self) -> Any:
        """Its body."""
        return msgspec.json.decode(self.body)

    @property
    def items(self) -> list[dict[str, Any]]:
        """The topics that it tells of."""
        found: list[dict[str, Any]] = self.read["data"]["items"]
        return found

    @property
    def is_signed(self) -> bool:
        """Whether it is signed by the key of all tests, as its receiver would check it."""
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(KEY.removeprefix("whsec_"))
        made = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{made}" in self.headers["webhook-signature"].split()


class Receiver:
    """A server that takes messages, and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.url = ""

    @property
    def ids(self) -> set[str]:
        """The identities of what was received."""
        return {each.id for each in self.received}

    async def take(self, request: web.Request) -> web.Response:
        """Take a message."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, body))
        await self.may_answer.wait()
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Serve a receiver for the length of the context."""
    made = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        made.may_answer.set()
        await runner.cleanup()


def write_routes(folder: Path, url: str, **tables: str) -> Path:
    """Write a file of routes: webhooks, but those whose name begins with `chat`."""
    port = url.rpartition(":")[2]
    (folder / "hook").write_text(f"{url}/hook/{TOKEN}\n")
    (folder / "key").write_text(f"{KEY}\n")
    (folder / "chat").write_text(f"json://127.0.0.1:{port}/chat/{TOKEN}?rto=5&cto=5\n")
    lines = ['page = "https://drift.example.org"']
    for name, keys in tables.items():
        lines.append(f"[route.{name}]\n{_channel(folder, name)}\n{keys}")
    file = folder / "routes.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def _channel(folder: Path, name: str) -> str:
    if name.startswith("chat"):
        return f'apprise_file = "{folder}/chat"'
    return f'webhook_file = "{folder}/hook"\nsecret_file = "{folder}/key"'


async def execute(dsn: str, sql: str, *arguments: object) -> None:
    """Run a statement."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql, *arguments)
    finally:
        await connection.close()


async def move(dsn: str, bus: Bus, reference: str = NGINX, digest: str = OTHER) -> None:
    """Let a tag move, and publish that as ingest does."""
    await execute(dsn, MOVE, reference, digest)
    await publish_change(bus, reference, digest)


async def publish_change(bus: Bus, reference: str = NGINX, digest: str = OTHER) -> None:
    """Publish that the verdict of an image has changed."""
    registry, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    changed = Changed(
        registry=registry,
        repository=repository,
        tag=tag,
        platform="linux/amd64",
        image_id=NEW,
        from_verdict="current",
        from_reason="digest_match",
        to_verdict="outdated",
        to_reason="platform_differs",
        remote_digest=digest,
        changed_at=NOW,
    )
    await bus.publish(subjects.changed(registry, repository, tag), codec.encode(changed))


@asynccontextmanager
async def notifier(
    dsn: str, nats_url: str, routes: Path, every: NotifierPeriods = SOON
) -> AsyncIterator[Process]:
    """Run the service in this process, once it has begun all routes, until the block ends."""
    values = NotifierSettings(database_url=dsn, nats_url=(nats_url,), routes=str(routes))
    run = Process(("nats", "postgres"), SystemClock())
    task = asyncio.create_task(start(values, run, every))
    try:
        await until(lambda: run.health.is_ready or task.done(), what="the notifier is ready")
        if not task.done() and "[route." in routes.read_text():
            await begun(dsn)
        yield run
    finally:
        run.stopping.set()
        await task


@asynccontextmanager
async def notifier_process(
    dsn: str, nats_url: str, routes: Path, log: Path
) -> AsyncIterator[ServiceProcess]:
    """Run the service as a process of its own, once it has begun all routes."""
    environment = {"DATABASE_URL": dsn, "NATS_URL": nats_url, "IMAGEDRIFT_ROUTES": str(routes)}
    async with ServiceProcess.start("imagedrift-notifier", environment, log=log) as process:
        await begun(dsn)
        yield process


async def begun(dsn: str) -> None:
    """Wait until the notifier has claimed all that was due before its routes were made."""
    connection = await asyncpg.connect(dsn)
    sql = "SELECT count(*) > 0 AND bool_and(is_begun) FROM notify.routes"
    try:
        await until(lambda: connection.fetchval(sql), what="all routes are begun")
    finally:
        await connection.close()


def group(
    reference: str = NGINX, kind: TopicKind = "outdated", target: str = NEW, **facts: Any
) -> DueGroup:
    """Something due."""
    given: dict[str, Any] = {"hosts": 3, "running_hosts": 2, "due_at": NOW, "since": NOW}
    return DueGroup(topic=Topic(kind, reference, target), **(given | facts))


def outbound_message(*, route: str, channel: Channel, body: str = "a text") -> OutboundMessage:
    """Make a message that was tried once."""
    return OutboundMessage(
        message_id="msg_1",
        route=route,
        channel=channel,
        created_at=NOW,
        title="a title",
        body=body,
        payload={},
        attempts=1,
        age=timedelta(),
    )


def route(name: str = "ops", **facts: Any) -> MessageRoute:
    """A route of a webhook that sends at once."""
    given: dict[str, Any] = {
        "channel": "webhook",
        "address_file": "/run/secrets/hook",
        "secret_file": "/run/secrets/key",
        "schedule": RouteSchedule(),
    }
    return MessageRoute(name=name, **(given | facts))
