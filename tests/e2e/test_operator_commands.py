"""The operator's commands against a running system, as tables, JSON, CSV and SQL."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from imagedrift_sandbox.processes import console_script
from imagedrift_sandbox.registry.server import SandboxRegistry
from support.fleet import System, pulled, system
from support.polling import until

OUTDATED, CURRENT, GONE = "team/web", "team/api", "team/gone"


@pytest.fixture
async def lively(tmp_path: Path) -> AsyncIterator[tuple[System, SandboxRegistry]]:
    """A system of two hosts: one runs an outdated image, both have a current one."""
    registry = SandboxRegistry()
    async with registry.serving(), system(tmp_path, registry) as running:
        old = pulled(registry, OUTDATED, seed=1, running=1, containers=("web",))
        fresh = pulled(registry, CURRENT, seed=3)
        gone = pulled(registry, GONE, "was", seed=4)
        pulled(registry, OUTDATED, seed=2)
        registry.store.delete(GONE, "was")
        await running.hosts.have(
            "web-1", old, fresh, gone, hostname="web-1", labels={"env": "prod"}
        )
        await running.hosts.have("web-2", fresh, hostname="web-2", labels={"env": "test"})
        await running.operator.sees(old.reference, verdict="outdated", reason="platform_differs")
        await running.operator.sees(gone.reference, verdict="missing")
        await running.operator.sees(fresh.reference, verdict="current", host="web-2")
        yield running, registry


async def imagedrift(dsn: str, *arguments: str, **environment: str) -> str:
    """Run the command, and return its output. Its exit code must be 0."""
    process = await asyncio.create_subprocess_exec(
        console_script("imagedrift"),
        *arguments,
        env={"DATABASE_URL": dsn, "COLUMNS": "250", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def as_json(dsn: str, *arguments: str) -> list[dict[str, Any]]:
    """Run the command with ``--json``, and return its rows."""
    rows: list[dict[str, Any]] = json.loads(await imagedrift(dsn, *arguments, "--json"))
    return rows


async def test_a_check_asks_again_and_shows_the_answers(
    lively: tuple[System, SandboxRegistry],
) -> None:
    """`check` asks again about an image, a host and a registry, although the answers are fresh."""
    running, registry = lively
    web, gone = registry.reference(OUTDATED, "1"), registry.reference(GONE, "was")
    nats = {"NATS_URL": running.stack.nats.url}
    nats["IMAGEDRIFT_REGISTRIES"] = str(running.stack.registries_file)
    asked = registry.totals().head_requests

    one = await imagedrift(running.stack.dsn, "check", web, **nats)
    assert one.startswith(f"{web}  found  sha256:")
    assert registry.totals().head_requests == asked + 1

    host = await imagedrift(running.stack.dsn, "check", "web-1", **nats)
    assert {line.split()[0] for line in host.splitlines()} >= {web, gone}
    assert f"{gone}  missing" in host
    every = await imagedrift(running.stack.dsn, "check", "--registry", registry.host, **nats)
    assert len(every.splitlines()) == 3


async def test_a_host_is_forgotten(lively: tuple[System, SandboxRegistry]) -> None:
    """A forgotten host is in no list, until it publishes again."""
    running, registry = lively
    assert await imagedrift(running.stack.dsn, "forget", "web-2", "--yes") == (
        "forgotten: test/web-2\n"
    )
    assert {row["host"] for row in await as_json(running.stack.dsn, "hosts")} == {"web-1"}

    image = pulled(registry, CURRENT, seed=3)
    await running.hosts.have("web-2", image, hostname="web-2", labels={"env": "test"})
    await running.operator.sees(image.reference, host="web-2")


async def test_every_command_answers_from_the_views(
    lively: tuple[System, SandboxRegistry],
) -> None:
    """Each command returns the fleet's rows in JSON, CSV, as a table and as SQL."""
    running, registry = lively
    dsn = running.stack.dsn
    web, gone = registry.reference(OUTDATED, "1"), registry.reference(GONE, "was")

    [status] = await as_json(dsn, "status")
    assert (status["hosts"], status["images"], status["outdated"]) == (2, 4, 1)

    [outdated] = await as_json(dsn, "outdated", "--label", "env=prod", "--running")
    assert (outdated["hostname"], outdated["reference"]) == ("web-1", web)
    assert outdated["remote_digest"] not in outdated["local_digests"]
    assert await as_json(dsn, "outdated", "--label", "env=test") == []
    [same] = await as_json(dsn, "outdated", "--registry", registry.host)
    assert same["reference"] == web

    [image] = await as_json(dsn, "image", web)
    assert (image["hosts"], image["outdated_hosts"], image["running_hosts"]) == (1, 1, 1)
    assert [row["verdict"] for row in await as_json(dsn, "image", web, "--hosts")] == ["outdated"]

    assert {row["reference"] for row in await as_json(dsn, "host", "web-1")} >= {web, gone}
    [why] = await as_json(dsn, "why", "web-1", web)
    assert (why["verdict"], why["reason"]) == ("outdated", "platform_differs")
    assert why["next_check_at"] > why["checked_at"]

    await until(lambda: as_json(dsn, "registries"), what="the registry is told", within_s=15)
    [error] = await as_json(dsn, "errors")
    assert (error["reference"], error["outcome"], error["hosts"]) == (gone, "missing", 1)

    rows = list(csv.DictReader(io.StringIO(await imagedrift(dsn, "host", "web-2", "--csv"))))
    assert [row["verdict"] for row in rows] == ["current"]
    assert web in await imagedrift(dsn, "outdated")
    statement = await imagedrift(dsn, "outdated", "--label", "env=prod", "--sql")
    connection = await asyncpg.connect(dsn)
    printed = await connection.fetch(statement)
    await connection.close()
    assert [row["reference"] for row in printed] == [web]
