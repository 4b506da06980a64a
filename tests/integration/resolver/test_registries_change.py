"""`registries.toml` changes while a resolver runs: what it says holds without a restart."""

from pathlib import Path

from imagedrift_runtime.nats import provision
from imagedrift_runtime.registries import operator_file
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_schemas.v1 import Found, Refused
from support.polling import until
from support.resolver import trusting, working

OFTEN_S = 0.05
"""How often the file is looked at."""


async def test_a_registry_that_is_named_later_is_asked_in_a_lane_of_its_own(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """Trust and lanes are those of the new file; one that is wrong in between changes nothing."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        reference = registry.reference("app", "1")
        named = trusting(registry.host, max_connections=2)
        async with working(
            fresh_nats.url, tmp_path, 'policy = "deny"\n', look_every_s=OFTEN_S
        ) as client:
            refused = await client.ask(reference, ttl_s=1)
            client.lanes = operator_file.parse(named)
            await provision.ensure(client.nats, lanes=client.lanes.lanes())
            (tmp_path / "registries.toml").write_text("policy = \n")
            (tmp_path / "registries.toml").write_text(named)
            found = await client.ask(reference)

    assert isinstance(refused.outcome, Refused)
    assert isinstance(found.outcome, Found)


async def test_a_registry_that_is_named_no_more_is_not_asked(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """Lessons from the time of the old file are gone, kept connections included."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        reference = registry.reference("app", "1")
        async with working(
            fresh_nats.url, tmp_path, trusting(registry.host), look_every_s=OFTEN_S
        ) as client:
            found = await client.ask(reference, ttl_s=1)
            (tmp_path / "registries.toml").write_text('policy = "deny"\n')

            async def refused() -> bool:
                return isinstance((await client.ask(reference, ttl_s=1)).outcome, Refused)

            await until(refused, what="it is refused")

    assert isinstance(found.outcome, Found)
