"""A question becomes an answer, against the sandbox registry, over a real NATS server."""

from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry, Shape
from imagedrift_schemas.v1 import Found, Missing
from support.resolver import trusting, working


@pytest.mark.parametrize("shape", list(Shape))
async def test_a_tag_is_answered_with_its_digest(
    fresh_nats: NatsServer, tmp_path: Path, shape: Shape
) -> None:
    """One HEAD tells the digest of a tag, whatever kind of manifest it points to."""
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("team/app", "1.0", shape=shape)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answer = await client.ask(registry.reference("team/app", "1.0"))
        assert isinstance(answer.outcome, Found)
        assert answer.outcome.digest == answer.last_digest == pushed.digest
        totals = registry.totals()
        assert (totals.total, totals.head_requests) == (1, 1)


async def test_a_tag_that_is_gone_keeps_its_last_digest(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A tag that the registry no longer has is missing; what it pointed to stays known."""
    async with SandboxRegistry().serving() as registry:
        pushed = registry.push_image("team/app", "1.0")
        reference = registry.reference("team/app", "1.0")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            first = await client.ask(reference, ttl_s=1)
            gone = await client.ask(registry.reference("team/app", "2.0"), last_digest="sha256:a")
        assert first.failures == 0
        assert isinstance(gone.outcome, Missing)
        assert "404" in gone.outcome.reason
        assert (gone.failures, gone.last_digest) == (1, "sha256:a")
        assert first.last_digest == pushed.digest
