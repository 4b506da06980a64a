"""Requests, counted by kind and reference."""

import aiohttp

from imagedrift_sandbox.registry import (
    Budget,
    RouteKind,
    SandboxRegistry,
)


async def test_requests_are_counted_by_kind_and_reference(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """HEADs, GETs, blobs, pings and 429s each have their count, from nothing after a reset."""
    registry.push_image("a", "1")
    for method in ("HEAD", "HEAD", "GET"):
        await client.request(method, "/v2/a/manifests/1")
    await client.get("/v2/")
    registry.limit(Budget(limit=0))
    await client.get("/v2/a/manifests/1")
    totals = registry.totals()

    assert (totals.head_requests, totals.get_requests, totals.of(RouteKind.PING)) == (2, 2, 1)
    assert totals.rejected == 1
    assert totals.references == {"a:1": {"manifest_head": 2, "manifest_get": 2}}
    assert totals.total == 5
    registry.counts.reset()
    assert registry.totals().total == 0
