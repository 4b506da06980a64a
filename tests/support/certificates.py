"""Certificates made by the real `openssl`, as the manuals of Docker and Harbor say."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.programs import require_program

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
    b"Content-Type: application/vnd.oci.image.index.v1+json\r\n"
    b"Docker-Content-Digest: sha256:" + b"a" * 64 + b"\r\n\r\n"
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority(Pair):
    """A certificate authority; its configuration is written by hand, without any extra."""

    home: Path

    @staticmethod
    def made(home: Path, *extensions: str) -> "Authority":
        """Make one with these extensions and no others: `CA:TRUE` alone is not critical."""
        require_program("openssl", "apt-get install openssl")
        lines = extensions or ("basicConstraints = CA:TRUE",)
        (home / "ca.cnf").write_text(
            "[req]\ndistinguished_name = dn\nx509_extensions = v3\nprompt = no\n"
            "[dn]\nCN = Our CA\n[v3]\n" + "\n".join(lines) + "\n"
        )
        made = Authority(home / "ca.crt", home / "ca.key", home)
        _openssl(
            *("req", "-x509", "-new", "-nodes", "-newkey", "rsa:2048", "-days", "2"),
            *("-config", home / "ca.cnf", "-keyout", made.key, "-out", made.certificate),
        )
        return made

    def leaf(self, name: str, *extensions: str) -> Pair:
        """Sign a certificate with these extensions; without any, its `subjectAltName` alone."""
        pair = Pair(self.home / f"{name}.crt", self.home / f"{name}.key")
        kind = "IP" if name.replace(".", "").isdigit() else "DNS"
        extended = self.home / f"{name}.ext"
        extended.write_text("\n".join(extensions or (f"subjectAltName = {kind}:{name}",)))
        asked = self.home / f"{name}.csr"
        _openssl(
            *("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", f"/CN={name}"),
            *("-keyout", pair.key, "-out", asked),
        )
        _openssl(
            *("x509", "-req", "-in", asked, "-CA", self.certificate, "-CAkey", self.key),
            *("-CAcreateserial", "-days", "2", "-extfile", extended, "-out", pair.certificate),
        )
        return pair


@asynccontextmanager
async def tls_server(pair: Pair, wants: Authority | None = None) -> AsyncIterator[int]:
    """Serve a registry that knows every tag; with `wants` only for its clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    if wants:
        context.load_verify_locations(cafile=wants.certificate)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_mode = ssl.CERT_REQUIRED

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
