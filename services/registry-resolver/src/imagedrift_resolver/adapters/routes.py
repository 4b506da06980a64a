"""How each url is reached: trust, client certificate, proxy and time, as the operator configured.

- A registry's `ca` stands in place of the public authorities for the registry itself. Where its
  tokens come from (its host on another port, and its `realms`) and where it keeps its data
  (`storage_hosts`) it is trusted beside them.
- A client certificate is shown where a password may be: to the registry's own origin and where its
  tokens come from; not to storage, and not to whoever another registry redirects to.
- `proxy` and `timeout` hold for the registry's own host, its realms and its storage.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from imagedrift_resolver.adapters.registry_entry import api_of, realms_of
from imagedrift_resolver.core.proxy import Proxies, Proxy, parse_no_proxy, parse_proxy
from imagedrift_resolver.core.site import host_of
from imagedrift_resolver.core.url import BadUrl, Origin, Url
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime import tls
from imagedrift_runtime.httpx_library import httpx
from imagedrift_runtime.registries.operator_file import Registries, RegistriesFault, Registry
from imagedrift_runtime.registries.registry import DIRECT, seconds_of
from imagedrift_runtime.settings import SettingsFault

NO_PROXIES: Final = Proxies()


class ConnectionRoute(Struct, frozen=True):
    """How one url is reached."""

    context: ssl.SSLContext
    proxy: Proxy | None = None
    timeout_s: float | None = None
    """How long a connection, and how long a whole response, may take; None: as everywhere."""


ConnectionRoutes = Callable[[Url, bool], ConnectionRoute]
"""Gives the route of a url; `True`: the operator named its host for who leads there."""


def proxies_of(settings: ResolverSettings) -> Proxies:
    """Read the proxies of the environment. Raises `SettingsFault`."""
    found: dict[str, Proxy | None] = {}
    faults = []
    for name, text in (("https", settings.https_proxy), ("http", settings.http_proxy)):
        try:
            found[name] = parse_proxy(text) if text else None
        except BadUrl as error:
            faults.append(f"{name.upper()}_PROXY: {error}")
    if faults:
        raise SettingsFault(faults)
    bypasses, none = parse_no_proxy(settings.no_proxy)
    return Proxies(found["https"], found["http"], bypasses, none)


def routes(known: Registries, proxies: Proxies = NO_PROXIES) -> ConnectionRoutes:
    """Return the function from a url to its route. Raises `RegistriesFault`."""
    table = _Table(known)

    def route(url: Url, trusted: bool) -> ConnectionRoute:
        own = table.settings.get(url.origin) or table.settings.get(url.host)
        proxy = own.proxy if own and own.has_proxy else proxies.of(url)
        context = table.context(url, trusted)
        return ConnectionRoute(context, proxy, own.timeout_s if own else None)

    return route


class _Reach(Struct, frozen=True):
    """How the hosts of one registry are reached, by its table."""

    has_proxy: bool = False
    proxy: Proxy | None = None
    timeout_s: float | None = None


class _Table:
    """The routes of `registries.toml`: read once, with every file that it names."""

    def __init__(self, known: Registries) -> None:
        self.settings: dict[Origin | str, _Reach] = {}
        self._public = _public()
        self._own: dict[tuple[Origin, bool], ssl.SSLContext] = {}
        self._beside: dict[tuple[str, bool], ssl.SSLContext] = {}
        faults = []
        for registry, entry in known.named.items():
            with suppress(BadUrl):  # it is refused whenever it is asked for
                faults += [f"registry.{registry}.{fault}" for fault in self._read(registry, entry)]
        if faults:
            raise RegistriesFault(faults)

    def context(self, url: Url, trusted: bool) -> ssl.SSLContext:
        """Return the trust for a url; with a client certificate only where `trusted`."""
        own = self._own.get((url.origin, trusted)) or self._own.get((url.origin, False))
        if own:
            return own
        beside = self._beside.get((url.host, trusted)) or self._beside.get((url.host, False))
        return beside or self._public

    def _read(self, registry: str, entry: Registry) -> Iterator[str]:
        api = api_of(registry, entry)
        realms = {api.host} | realms_of(entry)
        storage = {host_of(name) for name in entry.storage_hosts}
        try:
            reach = _reach(entry)
        except (BadUrl, OSError, ValueError) as error:
            why = error if isinstance(error, BadUrl) else _words(error)
            yield f"proxy: {why}"
            return
        if reach != _Reach():
            self.settings[api.origin] = reach
            for host in realms | storage:
                self.settings.setdefault(host, reach)
        if faults := list(_file_faults(entry)):
            yield from faults
            return
        if entry.ca or entry.client_cert:
            self._trust(api, realms, storage, entry)

    def _trust(self, api: Url, realms: set[str], storage: set[str], entry: Registry) -> None:
        for shows in (False, True):
            if entry.client_cert or not shows:
                context = tls.context_for(entry.ca) if entry.ca else _public()
                self._own[api.origin, shows] = _showing(context, entry, shows)
            for host in realms | storage:
                is_realm = host in realms
                context = self._beside.setdefault((host, shows), _public())
                if entry.ca:
                    context.load_verify_locations(cafile=entry.ca)
                _showing(context, entry, shows and is_realm)


def _public() -> ssl.SSLContext:
    return tls.lenient(httpx.create_ssl_context())


def _showing(context: ssl.SSLContext, entry: Registry, shows: bool) -> ssl.SSLContext:
    if shows and entry.client_cert:
        context.load_cert_chain(entry.client_cert, entry.client_key)
    return context


def _reach(entry: Registry) -> _Reach:
    text = entry.proxy
    if text.startswith("/"):
        text = Path(text).read_text(encoding="utf-8").strip()
        if not text:
            raise BadUrl(f"{entry.proxy}: is empty: write http://host:port in it")
    proxy = parse_proxy(text) if text and text != DIRECT else None
    return _Reach(bool(text), proxy, seconds_of(entry.timeout) if entry.timeout else None)


def _file_faults(entry: Registry) -> Iterator[str]:
    """Tell which of a registry's certificates and keys cannot be used."""
    if entry.ca:
        yield from _tried("ca", entry.ca, "is no certificate", tls.context_for)
    if not entry.client_cert:
        return
    unreadable = [
        *_tried("client_cert", entry.client_cert, "", _read_whole),
        *_tried("client_key", entry.client_key, "", _read_whole),
    ]
    yield from unreadable
    if not unreadable:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        pair = f"is no certificate for which {entry.client_key} is the key, without a password"

        def load(path: str) -> None:
            context.load_cert_chain(path, entry.client_key, password=lambda: "")

        yield from _tried("client_cert", entry.client_cert, pair, load)


def _tried(key: str, path: str, otherwise: str, use: Callable[[str], Any]) -> Iterator[str]:
    try:
        use(path)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        why = otherwise if isinstance(error, ssl.SSLError) else _reason(error)
        yield f"{key}: {path}: {why}"


def _read_whole(path: str) -> bytes:
    return Path(path).read_bytes()


def _words(error: Exception) -> str:
    name = getattr(error, "filename", None)
    return f"{name}: {_reason(error)}" if name else _reason(error)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "is no text"
