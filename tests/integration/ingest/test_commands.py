"""An operator's commands: the database is filled again from NATS."""

from typing import Any

import pytest

from imagedrift_ingest.commands import rebuild
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import DeadLetter, RegistryState
from support.ingest import NGINX, NOW, Fleet, Operator, image, ingest
from support.polling import until

FACTS = {
    "hosts": "SELECT site, host, hostname, labels, images, outdated, unknown, place FROM ops.hosts",
    "comparisons": """SELECT site, host, reference, platform, image_id, local_digests,
        remote_digest, verdict, reason, stale, error, running, containers, size, checked_at, tagged
        FROM ops.comparisons""",
    "registries": "SELECT * FROM ops.registries",
    "dead_letters": "SELECT * FROM ops.dead_letters",
    "tag_now": "SELECT reference, digest FROM ops.tag_history WHERE valid_to IS NULL",
}


async def facts(operator: Operator) -> dict[str, list[Any]]:
    """Everything that is not history."""
    return {name: sorted(map(repr, await operator.ask(sql))) for name, sql in FACTS.items()}


@pytest.mark.parametrize("while_running", [False, True])
async def test_an_emptied_database_is_rebuilt_from_nats_and_equals_the_old_one(
    filled: None,
    dsn: str,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    while_running: bool,
) -> None:
    """P4: an emptied database is rebuilt from NATS and equals the old one."""
    bucket = await agents.bus.bucket(subjects.BUCKET_REGISTRIES)
    state = RegistryState(registry="docker.io", rate_limit=100, observed_at=NOW)
    await bucket.put(subjects.registry_key("docker.io", "anonymous"), codec.encode(state))
    letter = DeadLetter(service="agent", subject="s", reason="r", received_at=NOW, payload=b"\x00")
    await agents.bus.publish(subjects.dead("agent"), codec.encode(letter))

    async with ingest(dsn, fresh_nats.url):

        async def complete() -> bool:
            now = await facts(operator)
            return bool(now["registries"] and now["dead_letters"])

        await until(complete, what="everything is stored")
        before = await facts(operator)
        if while_running:
            await rebuild(dsn, agents.bus, empty=True)
            await until(lambda: _equal(operator, before), what="the same facts")
            await agents.has("web-1", image(version=7))
            await operator.sees(NGINX, image_id=image(version=7).image_id)
    if not while_running:
        await rebuild(dsn, agents.bus, empty=True)
        assert await operator.ask("SELECT * FROM ops.hosts") == []
        async with ingest(dsn, fresh_nats.url):
            await until(lambda: _equal(operator, before), what="the same facts")


async def _equal(operator: Operator, before: dict[str, list[Any]]) -> bool:
    return await facts(operator) == before
