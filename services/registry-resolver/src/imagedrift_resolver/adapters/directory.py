"""From a registry's name to the site that is asked: configuration, policy and credential joined."""

import time
from typing import Final, Protocol

from imagedrift_resolver.core.credential import (
    Credential,
    IdentityToken,
    Password,
    Secret,
    password_fault,
)
from imagedrift_resolver.core.policy import registry_fault
from imagedrift_resolver.core.site import HUB_API, Site
from imagedrift_resolver.core.url import BadUrl, Url, parse_url
from imagedrift_runtime.registries import Registries, RegistriesFault, Registry, read_secret
from imagedrift_schemas.reference import DOCKER_HUB
from imagedrift_schemas.v1 import Denied, Failure, Refused

KEPT_S: Final = 1.0
"""How long a site is taken as known: a thousand questions need not read a secret each."""
MOST_KEPT: Final = 10_000
_APIS: Final = {DOCKER_HUB: HUB_API}


class OtherCredentials(Protocol):
    """Where credentials are looked for that `registries.toml` does not name."""

    async def of(self, registry: str) -> Credential | Denied:
        """Return the credential for a registry, or why the configured one cannot be had."""


class Directory:
    """All registries, as they are configured."""

    def __init__(self, registries: Registries, others: OtherCredentials) -> None:
        self._registries = registries
        self._others = others
        self._kept: dict[str, tuple[float, Site | Failure]] = {}

    async def site(self, registry: str, repository: str) -> Site | Failure:  # noqa: ARG002
        """Return how to ask a registry about a repository, or why it is not asked."""
        kept = self._kept.get(registry)
        if kept and time.monotonic() < kept[0]:
            return kept[1]
        site = await self._site(registry)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[registry] = (time.monotonic() + KEPT_S, site)
        return site

    async def _site(self, registry: str) -> Site | Failure:
        named = self._registries.is_named(registry)
        fault = registry_fault(registry, named=named, allowed=self._registries.allowed(registry))
        if fault:
            return Refused(reason=fault)
        entry = self._registries.of(registry)
        try:
            api = api_of(registry, entry)
        except BadUrl as error:
            return Refused(reason=f"{registry}: {error}")
        path = entry.endpoint.partition("/")[2].strip("/")
        credential = await self._credential(registry, entry)
        if isinstance(credential, Denied):
            return credential
        return Site(
            registry=registry,
            api=api,
            trusted=named,
            realms=realms_of(entry),
            credential=credential,
            namespace=registry if entry.endpoint else "",
            prefix=f"{path}/" if path else "",
            storage_hosts=frozenset(host.lower() for host in entry.storage_hosts),
        )

    async def _credential(self, registry: str, entry: Registry) -> Credential | Denied:
        try:
            if entry.token_file:
                return IdentityToken(Secret(read_secret(entry.token_file)))
            if entry.password_file:
                password = read_secret(entry.password_file)
                fault = password_fault(entry.username, password)
                return Denied(reason=fault) if fault else Password(entry.username, Secret(password))
        except RegistriesFault as error:
            return Denied(reason=str(error))
        # A mirror is not shown what was meant for the registry that it mirrors.
        return await self._others.of(entry.endpoint.partition("/")[0] or registry)


def api_of(registry: str, entry: Registry) -> Url:
    """Return where a registry answers. Raises `BadUrl`."""
    host = entry.endpoint.partition("/")[0]
    return parse_url(f"{entry.scheme}://{host or _APIS.get(registry, registry)}")


def realms_of(entry: Registry) -> frozenset[str]:
    """Return the further hosts of token endpoints, as they are spelt in a url that was read."""
    return frozenset(realm.lower() for realm in entry.realms)
