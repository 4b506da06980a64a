"""Requests and the micro services that answer them."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
import structlog

from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.errors import RequestRefused
from imagedrift_sandbox.nats import NatsServer
from support.polling import until


async def lookup(payload: bytes) -> bytes:
    """Answer, refuse or fail, as asked."""
    if payload == b"refuse":
        raise RequestRefused("404", "no such reference")
    if payload == b"fail":
        raise ValueError("the password is hunter2")
    return payload.upper()


async def serve(bus: Bus, subject: str, **options: int) -> None:
    """Offer `lookup` under a subject of the test's own."""
    await bus.serve(
        "imagedrift-resolver", "1.0.0", "Answers now", "lookup", subject, lookup, **options
    )


async def test_a_request_is_answered(bus: Bus) -> None:
    """The value of the handler comes back."""
    await serve(bus, "t.req.answer")

    assert await bus.request("t.req.answer", b"nginx") == b"NGINX"


async def test_a_refusal_has_its_code_and_words(bus: Bus) -> None:
    """`RequestRefused` in the handler is `RequestRefused` for who asked."""
    await serve(bus, "t.req.refuse")

    with pytest.raises(RequestRefused, match="no such reference") as refused:
        await bus.request("t.req.refuse", b"refuse")

    assert refused.value.code == "404"


async def test_a_defect_is_told_without_its_details(bus: Bus) -> None:
    """The log has the details of the defect; the service answers the next request."""
    await serve(bus, "t.req.fail")

    with structlog.testing.capture_logs() as logs, pytest.raises(RequestRefused) as refused:
        await bus.request("t.req.fail", b"fail")

    assert refused.value.code == "500"
    assert "hunter2" not in str(refused.value)
    assert [entry["event"] for entry in logs] == ["request.failed"]
    assert await bus.request("t.req.fail", b"ok") == b"OK"


async def test_slow_requests_do_not_wait_for_each_other(bus: Bus) -> None:
    """Up to `slots` are handled at a time, and not more."""
    at_work = most = 0
    release = asyncio.Event()

    async def slow(payload: bytes) -> bytes:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await release.wait()
        at_work -= 1
        return payload

    await bus.serve("slow", "1.0.0", "Takes its time", "wait", "t.req.slow", slow, slots=2)
    asked = [asyncio.create_task(bus.request("t.req.slow", b"%d" % n)) for n in range(5)]
    await until(lambda: at_work == 2, what="two are at work")
    release.set()

    assert await asyncio.gather(*asked) == [b"%d" % n for n in range(5)]
    assert most == 2


async def test_a_service_is_found_by_the_standard_tools(bus: Bus) -> None:
    """A service answers `$SRV.INFO` with its name, endpoint and subject, as `nats micro` asks."""
    await serve(bus, "t.req.found")

    info = json.loads(await bus.request("$SRV.INFO.imagedrift-resolver", b""))

    assert info["version"] == "1.0.0"
    assert [each["subject"] for each in info["endpoints"]] == ["t.req.found"]


async def test_a_request_in_hand_is_answered_before_the_end(
    bus: Bus, nats_server: NatsServer
) -> None:
    """A service that stops lets nobody wait who was taken."""
    begun = asyncio.Event()

    async def slow(payload: bytes) -> bytes:
        begun.set()
        await asyncio.sleep(0.1)
        return payload

    async with connect([nats_server.url], "server") as server:
        await server.serve("ending", "1.0.0", "Ends soon", "wait", "t.req.ending", slow)
        asked = asyncio.create_task(bus.request("t.req.ending", b"x"))
        await asyncio.wait_for(begun.wait(), 5)

    assert await asyncio.wait_for(asked, 5) == b"x"


async def stats(bus: Bus, name: str) -> dict[str, Any]:
    """Ask a service how its endpoint fares, as `nats micro stats` does."""
    found = await bus.request(f"$SRV.STATS.{name}", b"")
    [endpoint] = json.loads(found)["endpoints"]
    return dict(endpoint)


async def test_stats_tell_how_long_requests_took(bus: Bus) -> None:
    """The time of a request is that from its slot to its answer, in nanoseconds."""

    async def slow(payload: bytes) -> bytes:
        await asyncio.sleep(0.05)
        return payload

    await bus.serve("slow-service", "1.0.0", "Takes its time", "lookup", "t.req.slow-stats", slow)
    for _ in range(2):
        await bus.request("t.req.slow-stats", b"nginx")

    told = await stats(bus, "slow-service")

    assert told["num_requests"] == 2
    assert told["num_errors"] == 0
    assert 100_000_000 <= told["processing_time"] < 10_000_000_000
    assert told["average_processing_time"] == told["processing_time"] // 2


async def test_stats_tell_errors_without_their_details(bus: Bus) -> None:
    """A refusal and a defect count as errors; the last one is told as who asked was told."""
    await bus.serve("failing", "1.0.0", "Fails", "lookup", "t.req.fail-stats", lookup)
    for payload in (b"ok", b"refuse", b"fail"):
        with suppress(RequestRefused):
            await bus.request("t.req.fail-stats", payload)

    told = await stats(bus, "failing")

    assert (told["num_requests"], told["num_errors"]) == (3, 2)
    assert told["last_error"] == "500:a defect; the service's log tells more"
