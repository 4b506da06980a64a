"""A database that is taken back to an earlier moment under a running ingest."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import DATABASE, PostgresServer
from support.ingest import Fleet, Operator, image, ingest
from support.polling import until
from support.restoring import WAYS, Dump, take

Held = set[tuple[str, str]]
"""Hosts, and the reference of an image that each has."""


async def holds(operator: Operator, expected: Held) -> None:
    """Wait until the views tell exactly this of the fleet."""
    told: Held = set()

    async def as_expected() -> bool:
        nonlocal told
        try:
            rows = await operator.ask("SELECT host, reference FROM ops.comparisons")
        except (OSError, asyncpg.PostgresError):
            return False
        told = {(row["host"], row["reference"]) for row in rows}
        return told == expected

    try:
        await until(as_expected, what="the truth")
    except AssertionError as error:
        raise AssertionError(f"{error}: {told} in place of {expected}") from None


async def insert_hosts(postgres: PostgresServer, *hosts: str) -> None:
    """Make the rows of hosts, as another ingest does that heard them first."""
    connection = await asyncpg.connect(postgres.dsn())
    try:
        names = ["fra1"] * len(hosts), list(hosts)
        await connection.execute(load("hosts")["insert_hosts"], *names, *[[]] * 10)
    finally:
        await connection.close()


@pytest.mark.parametrize("way", WAYS)
async def test_a_host_keeps_its_images_when_others_came_in_between(
    postgres: PostgresServer,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    tmp_path: Path,
    way: str,
) -> None:
    """A restored database gives no host the cached key of another."""
    a, b, c = (image(f"docker.io/library/{name}:1") for name in "abc")
    async with ingest(postgres.dsn(), fresh_nats.url):
        await agents.has("kept", a)
        await holds(operator, {("kept", a.reference)})
        backup = await asyncio.to_thread(take, way, postgres, tmp_path)
        await agents.has("lost", b)
        await holds(operator, {("kept", a.reference), ("lost", b.reference)})

        await asyncio.to_thread(backup.back, postgres)
        await insert_hosts(postgres, "other")
        async with ingest(postgres.dsn(), fresh_nats.url):
            await agents.has("other", c)
            await agents.has("lost", b, c)
            await agents.has("kept", a, b)
            await holds(
                operator,
                {
                    *(("kept", i.reference) for i in (a, b)),
                    *(("lost", i.reference) for i in (b, c)),
                    ("other", c.reference),
                },
            )


async def test_what_is_said_while_a_dump_is_read_back_is_stored_afterwards(
    postgres: PostgresServer,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    tmp_path: Path,
) -> None:
    """Messages during a restore of the database are stored afterwards."""
    a = image("docker.io/library/a:1")
    tmp_path.chmod(0o777)
    dump = await asyncio.to_thread(Dump, postgres, tmp_path)
    async with ingest(postgres.dsn(), fresh_nats.url) as run:
        await asyncio.to_thread(postgres.drop_database, DATABASE)
        await asyncio.to_thread(postgres.create_database, DATABASE)
        await agents.has("during", a)
        missing = "does not exist"
        await until(lambda: missing in run.health.parts()["postgres"].reason, what="health says so")
        await asyncio.to_thread(dump.into, postgres)
        await holds(operator, {("during", a.reference)})
        await until(lambda: run.health.is_ready, what="health says that it works")
    assert await operator.ask("SELECT * FROM ops.dead_letters") == []
