"""P6: registries that hang or are dead cost the others nothing.

All of them share one lane, the worst case: whoever only waits there stands in everybody's way.
"""

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagedrift_sandbox.ports import LOOPBACK, free_port
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_schemas.v1 import LocalImage
from support.fleet import System, pulled, system
from support.operator import wait_for

HEALTHY = 40
BAD = 150
"""Of each bad registry: together several times what a lane works on at once."""
MULTIPLE = 3.0
GRACE_S = 8.0
"""What a busy machine may add: half of what a registry that hangs is waited for."""


@pytest.fixture
async def hanging() -> AsyncIterator[SandboxRegistry]:
    """A registry that accepts every request and answers none."""
    async with SandboxRegistry().serving() as serving:
        serving.misbehave(Fault(hang=True))
        yield serving


async def test_p6_a_hanging_and_a_dead_registry_delay_no_other(
    registry: SandboxRegistry, hanging: SandboxRegistry, tmp_path: Path
) -> None:
    """The healthy registry's questions take about as long beside them as without them."""
    dead = f"{LOOPBACK}:{free_port()}"
    async with system(tmp_path, registry, hanging, dead) as running:
        alone = await time_to_answer(running, "alone", healthy(registry, "alone"))

        bad = [f"{hanging.host}/app/{n}:1" for n in range(BAD)]
        bad += [f"{dead}/app/{n}:1" for n in range(BAD)]
        [any_image] = healthy(registry, "witness", 1)
        await running.hosts.have("bad", *(replace(any_image, reference=each) for each in bad))
        await wait_for(lambda: is_hanging(hanging), what="the hanging registry is asked")
        beside = await time_to_answer(running, "beside", healthy(registry, "beside"))

        assert beside < MULTIPLE * alone + GRACE_S, f"{beside:.1f} s, alone {alone:.1f} s"
        await wait_for(lambda: all_bad_are_unknown(running), what="the bad ones are told")


def healthy(registry: SandboxRegistry, group: str, count: int = HEALTHY) -> list[LocalImage]:
    """Images of the healthy registry that nobody has asked about."""
    return [pulled(registry, f"{group}/{number}") for number in range(count)]


async def time_to_answer(running: System, host: str, images: Sequence[LocalImage]) -> float:
    """Seconds from a host's report until every image of it is judged by an answer."""
    began = time.monotonic()
    await running.hosts.have(host, *images)
    await wait_for(
        lambda: running.operator.ask(
            "SELECT 1 FROM ops.comparisons WHERE host = $1 AND verdict = 'current' "
            "HAVING count(*) = $2",
            host,
            len(images),
        ),
        what=f"the images of {host} are judged",
    )
    return time.monotonic() - began


async def is_hanging(registry: SandboxRegistry) -> bool:
    """Tell whether it has been asked, and so has something that hangs."""
    return registry.totals().total > 0


async def all_bad_are_unknown(running: System) -> bool:
    """Tell whether each question to a bad registry has an answer that says what is wrong."""
    rows = await running.operator.ask(
        "SELECT verdict, reason, count(*) AS n, bool_and(error <> '') AS told "
        "FROM ops.comparisons WHERE host = 'bad' GROUP BY 1, 2"
    )
    assert {row["verdict"] for row in rows} == {"unknown"}
    tried = [row for row in rows if row["reason"] in ("unreachable", "limited")]
    return all(row["told"] for row in tried) and sum(row["n"] for row in tried) == 2 * BAD
