"""P3 when a replica dies: only the questions that it had in flight are asked once more."""

from pathlib import Path

from imagedrift_sandbox.registry.faults import latency
from imagedrift_sandbox.registry.server import SandboxRegistry
from support.fleet import pulled, system
from support.polling import until

IMAGES = 60
CONNECTIONS = 8
"""The most questions that one replica has in flight."""


async def test_p3_a_dead_replica_costs_at_most_what_it_had_in_flight(
    registry: SandboxRegistry, tmp_path: Path
) -> None:
    """When one of two resolvers is killed, every reference is answered, and few are asked twice."""
    registry.misbehave(latency(0.1))
    named = f'[registry."{registry.host}"]\nscheme = "http"\nmax_connections = {CONNECTIONS}\n'
    async with system(tmp_path, also=named, resolvers=2) as running:
        images = [pulled(registry, f"app/{number}") for number in range(IMAGES)]
        await running.hosts.have("web-1", *images)

        async def half_are_asked() -> bool:
            return registry.totals().head_requests >= IMAGES // 2

        await until(half_are_asked, what="half of the requests")
        victim = next(s for s in running.stack.services if s.name == "imagedrift-resolver")
        victim.kill()

        await until(
            lambda: running.operator.ask(
                "SELECT 1 FROM ops.comparisons WHERE verdict = 'current' HAVING count(*) = $1",
                IMAGES,
            ),
            what="every image is judged",
        )
        heads = [asked.get("manifest_head", 0) for asked in registry.totals().references.values()]
        assert len(heads) == IMAGES
        assert max(heads) <= 2
        assert sum(heads) <= IMAGES + CONNECTIONS
