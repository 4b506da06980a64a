"""A small fleet in a database, with something in every view, told by ingest itself."""

import asyncio
from collections.abc import Iterator

import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_ingest.commands import maintain
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Missing, RegistryState, Unreachable
from support.ingest import NOW, Fleet, answer, fleet, image, ingest
from support.listing import tags_listed
from support.operator import Operator
from support.polling import until

REDIS = "docker.io/library/redis:7"
GONE = "ghcr.io/example/gone:1"


BUILT_ON = """
    UPDATE fleet.comparisons AS c
    SET facts = jsonb_build_object(
      'base_name', 'docker.io/library/nginx:1.27', 'base_digest', c.image_id)
    FROM fleet.image_refs AS r
    WHERE r.ref_id = c.ref_id AND r.reference = 'docker.io/library/app:dev'
"""
REPLACED = """
    INSERT INTO fleet.bases (name, digest, platform, ref_id, state, judged_digest)
    SELECT
      c.facts ->> 'base_name', c.facts ->> 'base_digest', c.platform,
      a.ref_id, 'newer', a.remote_digest
    FROM fleet.comparisons AS c
    JOIN fleet.image_refs AS r ON r.reference = c.facts ->> 'base_name'
    JOIN fleet.answers AS a ON a.ref_id = r.ref_id
    WHERE c.facts ? 'base_digest'
"""
"""A local build on an image whose tag has moved since."""


@pytest.fixture(scope="session")
def told_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """A database that holds a small fleet: to be read only."""
    dsn = postgres_server.create_database("told")
    with NatsServer.start_sync() as nats:
        asyncio.run(_tell(dsn, nats.url))
    yield dsn
    postgres_server.drop_database("told")


async def _tell(dsn: str, nats_url: str) -> None:
    await migrate(dsn)
    async with fleet(nats_url) as agents, ingest(dsn, nats_url):
        await _speak(agents)
        await _settled(Operator(dsn))
    await Operator(dsn).ask(BUILT_ON)
    await Operator(dsn).ask(REPLACED)
    await maintain(dsn)


async def _speak(agents: Fleet) -> None:
    running = image(version=1, running=1, containers=("web",))
    waiting = image(version=1, running=1, containers=("web",), tagged=False)
    pulled, built = image(version=2), image("docker.io/library/app:dev", repo_digests=())
    production = {"env": "prod"}
    await agents.has("web-1", waiting, pulled, labels=production, place="dc1/rack-2/web-1")
    await agents.has("web-2", running, image(GONE), degraded="the engine does not answer")
    await agents.has("web-3", pulled, built, image(REDIS), place="dc1/rack-3/web-3", interval_s=1)
    await agents.answers(answer(version=2))
    await agents.answers(answer(GONE, outcome=Missing(reason="MANIFEST_UNKNOWN")))
    await agents.answers(answer(REDIS, outcome=Unreachable(reason="connection refused")))
    await agents.lists(tags_listed(("1.28", "1.27")))
    registries = await agents.bus.bucket(subjects.BUCKET_REGISTRIES)
    state = RegistryState(registry="quay.io", rate_limit=100, rate_remaining=0, observed_at=NOW)
    await registries.put(subjects.registry_key("quay.io", "anonymous"), codec.encode(state))
    await agents.bus.publish(subjects.inventory("fra1", "web-4"), b"no inventory")


async def _settled(operator: Operator) -> None:
    """Wait until everything that was said can be read."""
    for sql in (
        "SELECT FROM ops.outdated HAVING count(*) = 2",
        "SELECT FROM ops.lookup_errors HAVING count(*) = 2",
        "SELECT FROM ops.registries",
        "SELECT FROM ops.dead_letters",
        "SELECT FROM ops.hosts WHERE silent",
        "SELECT FROM ops.versions WHERE behind = 1",
    ):
        await until(lambda sql=sql: operator.ask(sql), what=sql)  # type: ignore[misc]
