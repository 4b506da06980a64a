"""Which certificates a server may show: the public authorities', and our own where configured."""

import ssl
from collections.abc import Callable

import httpx

from imagedrift_resolver.adapters.directory import api_of
from imagedrift_runtime.registries import Registries, RegistriesFault


def trust(known: Registries) -> Callable[[str], ssl.SSLContext]:
    """Return what gives the trust for an authority (`host:port`). Raises `RegistriesFault`."""
    public = httpx.create_ssl_context()
    own: dict[str, ssl.SSLContext] = {}
    faults = []
    for registry, entry in known.named.items():
        if not entry.ca:
            continue
        try:
            own[api_of(registry, entry)] = ssl.create_default_context(cafile=entry.ca)
        except OSError as error:  # SSLError is one
            why = "is no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            faults.append(f"registry.{registry}.ca: {entry.ca}: {why}")
    if faults:
        raise RegistriesFault(faults)
    return lambda authority: own.get(authority, public)
