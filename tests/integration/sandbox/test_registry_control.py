"""The switchboard of a registry in a process of its own."""

import aiohttp
import pytest

from imagedrift_sandbox.registry import (
    Auth,
    Budget,
    Fault,
    RegistryProcess,
    RouteKind,
    SandboxRegistry,
    Scheme,
    Shape,
    SyntheticImage,
)


async def test_the_switchboard_does_all_that_the_registry_can() -> None:
    """Images, faults, rules, budgets and counters work from another process."""
    async with RegistryProcess.start() as registry, aiohttp.ClientSession() as client:
        one, two = await registry.push(
            [
                SyntheticImage(repository="a"),
                SyntheticImage(repository="b", shape=Shape.INDEX, seed=2),
            ]
        )
        where = f"{registry.url}/v2/a/manifests/latest"
        async with client.head(where) as response:
            assert response.headers["Docker-Content-Digest"] == one.digest
        number = await registry.misbehave(Fault(status=503))
        assert (await client.head(where)).status == 503
        await registry.behave(number)
        await registry.authenticate(Auth(scheme=Scheme.BEARER))
        assert (await client.head(where)).status == 401
        await registry.authenticate(Auth())
        await registry.limit(Budget(limit=0))
        assert (await client.get(where)).status == 429
        totals, requests = await registry.totals(), await registry.requests()

    assert two.children.keys() == {"linux/amd64"}
    assert (totals.of(RouteKind.MANIFEST_HEAD), totals.get_requests, totals.rejected) == (3, 1, 1)
    assert [seen.status for seen in requests] == [200, 503, 401, 429]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "faults", b'{"stauts": 500}', 400),
        ("POST", "faults", b"not json", 400),
        ("DELETE", "faults/77", b"", 404),
        ("DELETE", "faults/x", b"", 400),
        ("GET", "nonsense", b"", 404),
    ],
)
async def test_a_wrong_switch_is_named(
    registry: SandboxRegistry, method: str, path: str, body: bytes, status: int
) -> None:
    """A misspelt field, bytes that are no JSON or an unknown switch is an error that says so."""
    async with aiohttp.ClientSession() as client:
        where = f"{registry.url}/_sandbox/{path}"
        async with client.request(method, where, data=body) as response:
            assert response.status == status
            assert (await response.json())["errors"][0]["message"]
