"""TLS that is asked for is spoken, whatever a server says of itself in plain text."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from imagedrift_runtime.nats.bus import connect
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_sandbox.nats_cluster import NatsCluster
from support.polling import until
from support.programs import require_program


class PlainServer:
    """Somebody who greets as a NATS server that wants no TLS, and keeps what is then said."""

    def __init__(self) -> None:
        self.heard = b""
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["PlainServer"]:
        """Listen for the length of an `async with`."""
        server = await asyncio.start_server(self._greet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "x", "version": "2.12.0", "headers": True, "auth_required": True}
        writer.write(b"INFO " + json.dumps(info | {"max_payload": 1024}).encode() + b"\r\n")
        while piece := await reader.read(4096):
            self.heard += piece
            if b"PING" in piece:
                writer.write(b"PONG\r\n")
        writer.close()


@pytest.mark.parametrize("scheme", ["tls", "nats"])
async def test_a_password_is_never_sent_in_plain_text_where_tls_is_asked_for(
    scheme: str, tmp_path: Path
) -> None:
    """A server whose INFO leaves TLS out is sent a TLS handshake, and no CONNECT."""
    ca = ""
    if scheme == "nats":
        ca = str(tmp_path / "ca.pem")
        openssl = require_program("openssl", "apt-get install openssl")
        command = "req -x509 -newkey rsa:2048 -nodes -subj /CN=ca -keyout ca.key -out ca.pem"
        process = await asyncio.create_subprocess_exec(
            openssl, *command.split(), cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0
    async with PlainServer().serving() as server:
        url = f"{scheme}://me:a-secret-word@127.0.0.1:{server.port}"
        with pytest.raises(NoBus):
            async with connect([url], "test", ca=ca, within_s=1):
                pass
    assert server.heard
    assert b"CONNECT" not in server.heard
    assert b"a-secret-word" not in server.heard


async def test_plain_addresses_go_on_as_they_did() -> None:
    """Without a CA or a tls address a plain server is spoken to."""
    async with PlainServer().serving() as server:
        url = f"nats://me:a-secret-word@127.0.0.1:{server.port}"
        with pytest.raises(NoBus):
            async with connect([url], "test", within_s=1):
                raise NoBus("connected")
    assert b"CONNECT" in server.heard


async def test_a_discovered_server_lets_us_in_when_the_configured_one_ends() -> None:
    """The other servers of a cluster want the same password, and one address is configured."""
    account = 'authorization { user: "me", password: "word" }'
    async with NatsCluster.start(2, account) as cluster:
        first, second = cluster.servers
        url = first.url.replace("nats://", "nats://me:word@")
        async with connect([url], "test", probe_every_s=0.2) as bus:
            assert first.child
            await asyncio.to_thread(first.child.stop)

            await until(
                lambda: bus.server.endswith(f":{second.port}"),
                what="the other server has taken us",
                within_s=20,
            )
