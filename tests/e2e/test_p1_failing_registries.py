"""P1 end to end: registries that fail in every way make no image current or outdated."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from imagedrift_ingest.core.verdict import FAILURES
from imagedrift_sandbox.registry.faults import Fault, html_page
from imagedrift_sandbox.registry.server import SandboxRegistry
from support.fleet import System, pulled, system
from support.polling import until

FRESHNESS_S = 3
"""Longer than it takes until what is new is asked: a limit is met before others are due again."""
FAULTS = {
    "error": Fault(status=500),
    "html": html_page(),
    "denied": Fault(status=403),
    "limited": Fault(status=429, headers={"Retry-After": "600"}),
    "garbage": Fault(body="\x00\x01 no manifest", content_type="application/octet-stream"),
    "empty": Fault(status=200, body=""),
    "cut": Fault(truncate=20, omit=("Docker-Content-Digest", "ETag")),
    "dropped": Fault(drop=True),
}


@pytest.fixture
async def registries() -> AsyncIterator[Mapping[str, SandboxRegistry]]:
    """One registry for each kind of failure, all of them healthy at first."""
    async with AsyncExitStack() as serving:
        yield {
            name: await serving.enter_async_context(SandboxRegistry().serving()) for name in FAULTS
        }


@pytest.fixture
async def running(
    registries: Mapping[str, SandboxRegistry], tmp_path: Path
) -> AsyncIterator[System]:
    """The system around them."""
    async with system(tmp_path, *registries.values(), freshness_s=FRESHNESS_S) as started:
        yield started


async def test_p1_no_failing_registry_changes_what_is_said(
    running: System, registries: Mapping[str, SandboxRegistry]
) -> None:
    """A failing registry leaves each verdict, marked stale, and new images unknown."""
    steady = [pulled(each, "steady") for each in registries.values()]
    behind = [pulled(each, "behind") for each in registries.values()]
    for each in registries.values():
        each.push_image("behind", "1", seed=1)
    await running.hosts.have("early", *steady, *behind)
    before = {("steady", "current"), ("behind", "outdated")}
    await until(lambda: rows_with_answers(running, "early", before), what="all have answers")

    for name, each in registries.items():
        each.misbehave(FAULTS[name])
    await running.hosts.have("late", *(pulled(each, "new") for each in registries.values()))

    failed = await until(
        lambda: rows_with_answers(running, "late", {("new", "unknown")}), what="the new ones failed"
    )
    assert {row["reason"] for row in failed} <= {*FAILURES} - {"refused"}
    assert all(row["error"] for row in failed)
    # A registry that told us to wait is not asked meanwhile: what it said before is left as it is.
    asked = {each.host for name, each in registries.items() if name != "limited"}
    await until(lambda: stale_registries_are(running, asked), what="every answer is stale")
    assert await rows_with_answers(running, "early", before)
    limited = registries["limited"].host
    await until(lambda: is_due_after_its_block(running, limited), what="the limit is waited for")


async def rows_with_answers(
    running: System, host: str, wanted: set[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return a host's rows once each has a wanted verdict; no row may ever have another one."""
    rows = await running.operator.ask(
        "SELECT registry, repository, verdict, reason, error FROM ops.comparisons "
        "WHERE host = $1 AND reason NOT IN ('not_checked', 'digest_differs')",
        host,
    )
    verdicts = {(row["repository"], row["verdict"]) for row in rows}
    assert verdicts <= wanted, rows
    return rows if len(rows) == len(FAULTS) * len(wanted) else []


async def stale_registries_are(running: System, registries: set[str]) -> bool:
    """Tell whether exactly these registries have both answers stale."""
    rows = await running.operator.ask(
        "SELECT registry FROM ops.comparisons WHERE host = 'early' AND stale AND error <> '' "
        "GROUP BY registry HAVING count(*) = 2"
    )
    return {row["registry"] for row in rows} == registries


async def is_due_after_its_block(running: System, registry: str) -> bool:
    """Tell whether each image of a registry is due within a second after its block ends."""
    rows = await running.operator.ask(
        "SELECT next_check_at - blocked_until AS after "
        "FROM ops.comparisons JOIN ops.registries USING (registry) WHERE registry = $1",
        registry,
    )
    return len(rows) == 3 and all(0 <= row["after"].total_seconds() < 1 for row in rows)
