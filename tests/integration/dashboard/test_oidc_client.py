"""The client of a provider, where the provider is away, slow or endless."""

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from imagedrift_dashboard.adapters import oidc_client
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.provider import ClientRegistration
from imagedrift_runtime import tls
from imagedrift_runtime.clock import SystemClock
from imagedrift_sandbox.free_port import free_port
from support.certificates import Authority, tls_server
from support.oidc_provider import oidc_provider
from support.signing_in import PAGES

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Answer = Callable[[asyncio.StreamWriter], None]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    """Serve in its own way, and tell the address."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer(writer)
        await reader.read()
        writer.close()

    running = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"


async def refused(issuer: str, ca: str = "", within_s: float = 5) -> PageFault:
    """Ask a provider that cannot be used and return what a page says of it."""
    client = ClientRegistration(issuer=issuer, id="drift", secret="s3cret", url=PAGES)
    async with oidc_client.open_client(
        client, tls.context_for(ca), SystemClock(), within_s
    ) as oidc:
        with pytest.raises(PageFault) as fault:
            await oidc.provider()
    assert "s3cret" not in str(fault.value)
    return fault.value


async def test_a_provider_that_is_away_is_told() -> None:
    """Where nothing answers, the page says that the sign-in cannot be reached."""
    assert (await refused(f"http://127.0.0.1:{free_port()}")).status == 503


@pytest.mark.parametrize("answer", [b"", HEAD, HEAD + b"Content-Length: 9\r\n\r\n{"])
async def test_a_provider_that_is_silent_is_left(answer: bytes) -> None:
    """A provider that takes a request, and answers half or not at all, is left after its bound."""
    async with server(lambda writer: writer.write(answer)) as url:
        assert (await refused(url, within_s=0.2)).status == 503


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (HEAD + b"Content-Length: 9999999\r\n\r\n" + b" " * 600_000, "too much"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "status 500"),
        (HEAD + b"Content-Length: 2\r\n\r\n{}", "configuration"),
    ],
)
async def test_an_answer_that_is_none_is_refused(answer: bytes, told: str) -> None:
    """A provider's answer that is too long, a redirect, an error or something else is refused."""
    async with server(lambda writer: writer.write(answer)) as url:
        fault = await refused(url)

    assert fault.status == 502
    assert told in fault.wrong


async def test_a_compressed_answer_is_refused_before_it_takes_memory() -> None:
    """A provider's answer that would grow to many megabytes is not decompressed."""
    bomb = gzip.compress(bytes(50_000_000))
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with server(lambda writer: writer.write(head + bomb)) as url:
        tracemalloc.start()
        fault = await refused(url)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert "compresses" in fault.wrong
    assert most < 5_000_000


async def test_a_certificate_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    """A provider is asked over TLS that is checked: by the authority of the settings, too."""
    authority = Authority.made(tmp_path)
    async with tls_server(authority.leaf("127.0.0.1")) as port:
        url = f"https://127.0.0.1:{port}"
        assert (await refused(url)).status == 503
        assert (await refused(url, str(authority.certificate))).status == 502


async def test_a_configuration_is_asked_for_once() -> None:
    """Many who sign in at once have the configuration asked for once."""
    async with oidc_provider(PAGES) as provider:
        client = ClientRegistration(issuer=provider.url, id="drift", url=PAGES)
        async with oidc_client.open_client(client, tls.context_for(), SystemClock()) as oidc:
            found = await asyncio.gather(*(oidc.provider() for _ in range(20)))
    assert provider.configuration_asked == 1
    assert {each.jwks_uri for each in found} == {f"{provider.url}/keys"}
