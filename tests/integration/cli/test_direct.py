"""A resolver without NATS: it asks registries directly, and each once."""

from imagedrift_cli.scan.direct import resolver
from imagedrift_resolver.adapters.docker_config import docker_credentials
from imagedrift_resolver.core.proxy import Proxies
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.registries import operator_file
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_sandbox.stack import named_registry
from imagedrift_schemas.v1 import Answer, Found, Missing
from support.resolver import resolve


async def test_registries_are_asked_directly(registry: SandboxRegistry) -> None:
    """A tag that is not there is missing, as for a fleet."""
    pushed = registry.push_image("app", "1")
    known = operator_file.parse(named_registry(registry.host))
    credentials = docker_credentials(ResolverSettings(), SystemClock())
    async with resolver(known, credentials, Proxies()) as asks:
        found = await asks.ask(resolve(registry.reference("app", "1")))
        missing = await asks.ask(resolve(registry.reference("app", "2")))

    assert isinstance(found, Answer)
    assert isinstance(missing, Answer)
    assert isinstance(found.outcome, Found)
    assert found.outcome.digest == pushed.digest
    assert isinstance(missing.outcome, Missing)
