"""Where the engine listens, read from DOCKER_HOST as Docker's own tools read it.

unix:///run/docker.sock     a socket; without DOCKER_HOST the first that exists of the usual
tcp://host:port             plain, or TLS when DOCKER_TLS_VERIFY is set to anything
http://host:port  https://host:port
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from msgspec import Struct

PLAIN_PORT, TLS_PORT = 2375, 2376


class BadAddress(ValueError):
    """DOCKER_HOST is nothing that we can connect to."""


class EngineAddress(Struct, frozen=True):
    """A unix socket's path, or a host and a port, with TLS or without."""

    path: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False
    certificates: str = ""
    """Folder of ca.pem, cert.pem and key.pem."""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def usual_sockets(runtime_dir: str) -> tuple[str, ...]:
    """List where engines listen unless told otherwise: Docker first, rootless before Podman."""
    own = (f"{runtime_dir}/docker.sock",) if runtime_dir else ()
    podman = (f"{runtime_dir}/podman/podman.sock",) if runtime_dir else ()
    return ("/var/run/docker.sock", *own, "/run/podman/podman.sock", *podman)


def read_address(
    docker_host: str,
    *,
    tls: bool,
    certificates: str,
    runtime_dir: str,
    exists: Callable[[str], bool],
) -> EngineAddress:
    """Tell where to connect. Raises `BadAddress`."""
    if not docker_host:
        usual = usual_sockets(runtime_dir)
        return EngineAddress(path=next(filter(exists, usual), usual[0]))
    parts = urlsplit(docker_host)
    if parts.scheme == "unix":
        return _socket(docker_host, parts.path)
    if parts.scheme not in ("tcp", "http", "https"):
        raise BadAddress(
            f"DOCKER_HOST: {docker_host[:120]!r}: write unix:///path or tcp://host:port"
        )
    secure = parts.scheme == "https" or (parts.scheme == "tcp" and tls)
    try:
        port = parts.port or (TLS_PORT if secure else PLAIN_PORT)
    except ValueError as error:
        raise BadAddress(f"DOCKER_HOST: {docker_host[:120]!r}: {error}") from error
    if not parts.hostname:
        raise BadAddress(f"DOCKER_HOST: {docker_host[:120]!r}: no host in it")
    return EngineAddress(
        host=parts.hostname, port=port, tls=secure, certificates=certificates if secure else ""
    )


def _socket(docker_host: str, path: str) -> EngineAddress:
    if not path.startswith("/"):
        raise BadAddress(f"DOCKER_HOST: {docker_host[:120]!r}: a socket needs its whole path")
    return EngineAddress(path=path)
