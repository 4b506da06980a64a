"""Any bytes from a socket that should be an engine's are a response or a fault."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_client import EngineClient
from imagedrift_agent.adapters.engine_faults import EngineFault
from imagedrift_agent.adapters.engine_limits import DEFAULT_LIMITS, EngineLimits
from imagedrift_agent.core.address import EngineAddress

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="idrift-") as name:
        yield Path(name)


async def ask(folder: Path, answer: bytes, max_body: int = DEFAULT_LIMITS.max_body) -> bytes:
    """Ask a server that answers with these bytes and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, folder / "socket")
    limits = EngineLimits(answer_within_s=2, max_body=max_body)
    try:
        async with EngineClient(EngineAddress(path=str(folder / "socket")), limits) as client:
            return await client.get("/version")
    finally:
        server.close()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200) | st.integers(0, len(OK)).map(lambda cut: OK[:cut]))
def test_bytes_that_are_no_answer_are_a_fault(folder: Path, answer: bytes) -> None:
    """Nothing hangs and nothing else is raised."""
    body, fault = b"", ""
    try:
        body = asyncio.run(ask(folder, answer))
    except EngineFault as error:
        fault = str(error)

    assert body in answer
    assert fault.startswith("GET /version") or answer.startswith(b"HTTP/1.")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"{}"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"{}"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    ],
)
async def test_every_framing_of_http_is_read(folder: Path, answer: bytes, body: bytes) -> None:
    """Engines and the proxies before them differ in it."""
    assert await ask(folder, answer) == body


async def test_an_endless_body_is_cut_off(folder: Path) -> None:
    """An answer is bounded, whatever announces it."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000

    with pytest.raises(EngineFault, match="more than 1000 bytes"):
        await ask(folder, answer, max_body=1000)


async def test_a_proxy_that_closes_after_each_answer_is_served(folder: Path) -> None:
    """The connection is opened again for the next call."""
    bodies = {
        b"/version": b'{"Version":"1","ApiVersion":"1.41"}',
        b"/info": b'{"Name":"host"}',
        b"/images": b"[]",
        b"/containers": b"[]",
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        body = next(body for path, body in bodies.items() if path in target)
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    server = await asyncio.start_unix_server(serve, folder / "proxy")
    try:
        snapshot = await Engine(lambda: EngineAddress(path=str(folder / "proxy"))).take()
    finally:
        server.close()

    assert snapshot.hostname == "host"


async def test_bytes_after_an_answer_are_never_the_next_answer(folder: Path) -> None:
    """An engine's connection that holds bytes nobody asked for ends (RFC 9112, 6.3)."""
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        body = b"%d" % accepted
        while await reader.read(4096):
            forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + body + forged)

    server = await asyncio.start_unix_server(serve, folder / "forging")
    try:
        async with EngineClient(EngineAddress(path=str(folder / "forging"))) as client:
            bodies = [await client.get(f"/containers/{n}/json") for n in range(3)]
    finally:
        server.close()
    assert bodies == [b"1", b"2", b"3"]
