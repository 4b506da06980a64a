"""P6: registries that hang or are dead delay no other registry.

All of them share one lane, the worst case, as a question that waits there holds a slot. The test
needs no clock: a question that hangs is answered when its time is over, which is the measure.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagedrift_resolver.bulkhead import SHARE
from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_schemas.v1 import LocalImage
from support.fleet import System, pulled, system
from support.polling import until
from support.silence import silent_port

HEALTHY = 40
MANY = 80
BAD_HOSTS = 8
"""Each has few enough of the many registries that all its questions are out at once."""
BAD = 150
"""Of each bad registry: more than twice what a lane works on at once.

Were each of them waited for, the first that hangs would be answered before the healthy ones' turn.
"""


@pytest.fixture
async def hanging() -> AsyncIterator[SandboxRegistry]:
    """A registry that accepts every request and answers none."""
    async with SandboxRegistry().serving() as serving:
        serving.misbehave(Fault(hang=True))
        yield serving


async def test_p6_a_hanging_and_a_dead_registry_delay_no_other(
    registry: SandboxRegistry, hanging: SandboxRegistry, tmp_path: Path
) -> None:
    """The healthy registry's questions are answered while those of a hanging one still wait."""
    dead = f"{LOOPBACK}:{free_port()}"
    async with system(tmp_path, registry, hanging, dead) as running:
        bad = [f"{hanging.host}/app/{n}:1" for n in range(BAD)]
        bad += [f"{dead}/app/{n}:1" for n in range(BAD)]
        [any_image] = healthy(registry, "witness", 1)
        await running.hosts.have("bad", *(replace(any_image, reference=each) for each in bad))
        await until(lambda: asked_references(hanging), what="the hanging registry is asked")
        hang = await asked_references(hanging)
        await running.hosts.have("beside", *healthy(registry, "beside"))

        await until(lambda: all_healthy_are_current(running), what="the healthy are judged")
        assert await unanswered(running, hang) == hang
        await until(lambda: all_bad_are_unknown(running), what="the bad ones are told")
        assert await unanswered(running, hang) == set()


async def test_p6_many_registries_that_hang_delay_no_other(
    registry: SandboxRegistry, tmp_path: Path
) -> None:
    """The healthy are judged while more registries hang than the lane has slots."""
    async with silent_port() as port:
        silent = [f"127.0.2.{number}:{port.number}" for number in range(1, MANY + 1)]
        async with system(tmp_path, registry, *silent) as running:
            await running.hosts.have("first", *healthy(registry, "first", 1))
            await until(lambda: is_current(running, "first", 1), what="the registry is known")
            [any_image] = healthy(registry, "witness", 1)
            bad = [f"{host}/app:1" for host in silent]
            bad += [f"registry{number}.invalid/app:1" for number in range(MANY)]
            for number in range(BAD_HOSTS):
                some = [replace(any_image, reference=each) for each in bad[number::BAD_HOSTS]]
                await running.hosts.have(f"bad-{number}", *some)
            await until(lambda: port.taken >= LANE_SLOTS // SHARE, what="they hang")
            await running.hosts.have("beside", *healthy(registry, "beside"))

            await until(lambda: is_current(running, "beside", HEALTHY), what="the healthy")
            assert await timed_out(running, {f"{host}/app:1" for host in silent}) == set()


async def is_current(running: System, host: str, count: int) -> bool:
    """Tell whether this many images of a host are current."""
    rows = await running.operator.ask(
        "SELECT FROM ops.comparisons WHERE host = $1 AND verdict = 'current'", host
    )
    return len(rows) == count


def healthy(registry: SandboxRegistry, group: str, count: int = HEALTHY) -> list[LocalImage]:
    """Return images of the healthy registry that were not asked yet."""
    return [pulled(registry, f"{group}/{number}") for number in range(count)]


async def asked_references(registry: SandboxRegistry) -> set[str]:
    """Return the references that the registry was asked about."""
    requests = registry.counts.requests
    return {f"{registry.host}/{each.repository}:{each.reference}" for each in requests}


async def unanswered(running: System, references: set[str]) -> set[str]:
    """Return those of these references that have no answer yet."""
    return await with_reason(running, references, "not_checked")


async def timed_out(running: System, references: set[str]) -> set[str]:
    """Return those of these references that were waited for to the end; put off is none."""
    return await with_reason(running, references, "unreachable")


async def with_reason(running: System, references: set[str], reason: str) -> set[str]:
    """Return those of these references whose verdict has this reason."""
    rows = await running.operator.ask(
        "SELECT reference FROM ops.comparisons WHERE reference = ANY($1) AND reason = $2",
        list(references),
        reason,
    )
    return {row["reference"] for row in rows}


async def all_healthy_are_current(running: System) -> bool:
    """Tell whether each question to the healthy registry is answered."""
    return await is_current(running, "beside", HEALTHY)


async def all_bad_are_unknown(running: System) -> bool:
    """Tell whether each question to a bad registry has an answer with its error."""
    rows = await running.operator.ask(
        "SELECT verdict, reason, count(*) AS n, bool_and(error <> '') AS told "
        "FROM ops.comparisons WHERE host = 'bad' GROUP BY 1, 2"
    )
    assert {row["verdict"] for row in rows} == {"unknown"}
    tried = [row for row in rows if row["reason"] in ("unreachable", "limited")]
    return all(row["told"] for row in tried) and sum(row["n"] for row in tried) == 2 * BAD
