"""The registry as a server: faults go before credentials, those before budgets, then content."""

import aiohttp

from imagedrift_sandbox.registry import Auth, Budget, Fault, RouteKind, SandboxRegistry, Scheme

MANIFEST = "/v2/app/manifests/1"


async def statuses(registry: SandboxRegistry, times: int = 1) -> list[int]:
    """The statuses of as many HEADs."""
    found = []
    async with aiohttp.ClientSession(registry.url) as session:
        for _ in range(times):
            async with session.head(MANIFEST) as response:
                found.append(response.status)
    return found


async def test_a_fault_goes_before_credentials_and_those_before_a_budget() -> None:
    """A request that is refused for another reason costs no budget."""
    auth = Auth(scheme=Scheme.BASIC, users={"me": "secret"})
    async with SandboxRegistry(auth=auth).serving() as registry:
        registry.push_image("app", "1")
        registry.limit(Budget(limit=1, kinds=(RouteKind.MANIFEST_HEAD,)))
        fault = registry.misbehave(Fault(status=503))
        assert await statuses(registry) == [503]
        registry.faults.remove(fault)
        assert await statuses(registry) == [401]
        registry.auth = Auth()
        assert await statuses(registry, 2) == [200, 429]


async def test_an_image_is_there_under_the_registrys_own_name() -> None:
    """Each request is counted, whatever becomes of it."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        assert registry.reference("app", "1") == f"127.0.0.1:{registry.port}/app:1"
        assert await statuses(registry, 3) == [200] * 3
        assert registry.totals().head_requests == 3


async def test_nothing_answers_after_the_end() -> None:
    """The port is free again."""
    async with SandboxRegistry().serving() as registry:
        port = registry.port
    async with SandboxRegistry().serving(port=port) as other:
        assert other.port == port
