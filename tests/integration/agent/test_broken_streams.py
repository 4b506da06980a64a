"""A live stream of events whose other end is gone, and engines that send us elsewhere."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_faults import CallRefused, EngineFault, Late
from imagedrift_agent.adapters.engine_limits import EngineLimits
from imagedrift_agent.core.address import EngineAddress
from imagedrift_agent.core.records import Event
from imagedrift_sandbox.engine import Bytes, ScriptedEngine, populate
from support.agents import EngineHealth, RecordingPublisher, running_agent
from support.polling import until

EVENT = b'{"Type":"image","Action":"tag"}\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SO_ATTACH_FILTER = 26
DROP_ALL = struct.pack("HBBI", 6, 0, 0, 0)  # BPF: return 0


class VanishingEngine:
    """An engine over TCP that sends one event, and then no packet more, not even of its kernel."""

    def __init__(self) -> None:
        self.port = 0
        self.opened = 0
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["VanishingEngine"]:
        """Serve for the length of an `async with`."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while line := await reader.readline():
            while (await reader.readline()).strip():
                pass
            if b"/events" not in line:
                writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
                continue
            self.opened += 1
            chunk = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
            writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
            await writer.drain()
            lose_all_packets(writer.get_extra_info("socket").fileno())


def lose_all_packets(descriptor: int) -> None:
    """Let the kernel drop whatever comes for a socket, as if its machine had lost its power."""
    made = socket.socket(fileno=socket.dup(descriptor))
    with made:
        program = bytearray(DROP_ALL)
        address = id_of(program)
        made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, address))


def id_of(buffer: bytearray) -> int:
    """The address of a buffer's bytes."""
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


IMPATIENT = EngineLimits(silent_s=1, probe_every_s=1, probes=1)
"""The kernel asks a silent end after a second, once, and gives it up after another."""


async def test_a_live_stream_whose_engine_vanished_ends_with_the_kernels_words() -> None:
    """ETIMEDOUT on an open stream is a broken connection, and no answer that is late."""
    async with VanishingEngine().serving() as engine:
        source = Engine(lambda: EngineAddress(host="127.0.0.1", port=engine.port), IMPATIENT)
        changes = source.changes()
        async with asyncio.timeout(20):
            events = [await anext(changes), await anext(changes)]
            with pytest.raises(EngineFault, match="Connection timed out") as fault:
                await anext(changes)

    assert not isinstance(fault.value, (Late, TimeoutError))
    assert events == [None, Event(type="image", action="tag")]


async def test_an_agent_opens_a_stream_again_whose_engine_vanished() -> None:
    """The snapshot that follows has the changes of the meantime."""
    async with VanishingEngine().serving() as engine:
        source = Engine(lambda: EngineAddress(host="127.0.0.1", port=engine.port), IMPATIENT)
        async with running_agent(source, RecordingPublisher(), health=EngineHealth()):
            await until(lambda: engine.opened >= 2, what="the stream is opened again")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", ["/version", "/images/json", "/events"])
async def test_no_redirect_of_an_engine_is_followed(tmp_path: Path, path: str, status: int) -> None:
    """An engine has no business to send its client elsewhere: the other end is never asked."""
    async with (
        ScriptedEngine.serving(tmp_path / "socket") as engine,
        ScriptedEngine.serving_tcp() as elsewhere,
    ):
        populate(engine, images=1, containers=0)
        populate(elsewhere, images=1, containers=0)
        there = elsewhere.host.replace("tcp://", "http://") + path
        head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
        engine.answers[path] = Bytes(head.encode())
        source = Engine(lambda: EngineAddress(path=str(engine.path)))
        with pytest.raises(CallRefused, match=str(status)):
            await (source.take() if path != "/events" else anext(source.changes()))
        asked = list(elsewhere.asked)

    assert asked == []
