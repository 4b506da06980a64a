"""Which certificates a server may show: the public authorities', and our own where configured.

A registry's `ca` stands in place of the public authorities for the registry itself. Where its
tokens come from (its host on another port, and its `realms`) it is trusted beside them.
"""

import ssl
from collections.abc import Callable

import httpx

from imagedrift_resolver.adapters.directory import api_of, realms_of
from imagedrift_resolver.core.url import BadUrl, Url
from imagedrift_runtime.registries import Registries, RegistriesFault


def trust(known: Registries) -> Callable[[Url], ssl.SSLContext]:
    """Return what gives the trust for a url. Raises `RegistriesFault`."""
    public = httpx.create_ssl_context()
    own: dict[tuple[str, str, int], ssl.SSLContext] = {}
    beside: dict[str, ssl.SSLContext] = {}
    faults = []
    for registry, entry in known.named.items():
        if not entry.ca:
            continue
        try:
            api = api_of(registry, entry)
            own[api.origin] = ssl.create_default_context(cafile=entry.ca)
            for host in {api.host} | realms_of(entry):
                context = beside.setdefault(host, httpx.create_ssl_context())
                context.load_verify_locations(cafile=entry.ca)
        except BadUrl:
            continue  # it is refused whenever it is asked for
        except OSError as error:  # SSLError is one
            why = "is no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            faults.append(f"registry.{registry}.ca: {entry.ca}: {why}")
    if faults:
        raise RegistriesFault(faults)
    return lambda url: own.get(url.origin) or beside.get(url.host, public)
