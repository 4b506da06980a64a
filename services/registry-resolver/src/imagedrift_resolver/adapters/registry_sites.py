"""From a repository to the site that is asked: configuration, policy and credential joined."""

import time
from typing import Final, Protocol

from msgspec.structs import replace

from imagedrift_resolver.adapters.registry_entry import api_of, mirror_of, realms_of
from imagedrift_resolver.core.credential import (
    Anonymous,
    Credential,
    IdentityToken,
    Password,
    Secret,
    password_fault,
)
from imagedrift_resolver.core.policy import registry_fault
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import BadUrl
from imagedrift_runtime.registries.operator_file import (
    Registries,
    RegistriesFault,
    Registry,
    read_secret,
)
from imagedrift_runtime.registries.path_tables import PathCredential
from imagedrift_schemas.reference import parents
from imagedrift_schemas.v1 import Denied, Failure, Refused

KEPT_S: Final = 1.0
"""How long a site is taken as known: a thousand questions need not read a secret each."""
MOST_KEPT: Final = 10_000


class OtherCredentials(Protocol):
    """Where credentials are looked for that `registries.toml` does not name."""

    async def of(self, registry: str, repository: str) -> Credential | Denied:
        """Return the credential for a repository, or why the configured one cannot be had."""


class Sites:
    """All registries, as they are configured."""

    def __init__(self, registries: Registries, others: OtherCredentials) -> None:
        self._registries = registries
        self._others = others
        self._bare: dict[str, Site | Failure] = {}
        self._kept: dict[tuple[str, str], tuple[float, Site | Failure]] = {}
        self._secrets: dict[str, tuple[float, Secret | Denied]] = {}

    async def site(self, registry: str, repository: str) -> Site | Failure:
        """Return how to ask a registry about a repository, or why it is not asked."""
        kept = self._kept.get((registry, repository))
        if kept and time.monotonic() < kept[0]:
            return kept[1]
        site = self._without_credential(registry)
        if isinstance(site, Site):
            found, part = await self._credential(site, repository)
            if isinstance(found, Denied):
                site = found
            else:
                site = replace(site, credential=found, part=part)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[(registry, repository)] = (time.monotonic() + KEPT_S, site)
        return site

    def _without_credential(self, registry: str) -> Site | Failure:
        """Return how a registry is asked about any repository: its configuration stays."""
        site = self._bare.get(registry)
        if site is None:
            if len(self._bare) >= MOST_KEPT:
                self._bare.clear()
            site = self._bare[registry] = _bare_site(self._registries, registry)
        return site

    async def _credential(self, site: Site, repository: str) -> tuple[Credential | Denied, str]:
        """Return the credential for a repository, and the path that it is for."""
        entry = self._registries.of(site.registry)
        asked = mirror_of(entry) or site.registry
        inside = f"{site.prefix}{repository}"
        part = self._registries.credential_of(asked, inside)
        tables = (
            (part, entry) if asked == site.registry else (part, entry, self._registries.of(asked))
        )
        for table in tables:
            if table and (found := self._configured(table)):
                return found, table.path if isinstance(table, PathCredential) else ""
        found = await self._others.of(asked, inside)
        if found == Anonymous() and asked != site.registry:
            return self._withheld(site.registry, repository, asked) or found, ""
        return found, await self._part(asked, inside, found)

    async def _part(self, registry: str, repository: str, found: Credential | Denied) -> str:
        """Return the path that a credential of another place is for: the shortest that finds it."""
        if isinstance(found, Anonymous | Denied) or await self._others.of(registry, "") == found:
            return ""
        part = repository
        for path in parents(repository):
            if await self._others.of(registry, path) != found:
                break
            part = path
        return part

    def _withheld(self, registry: str, repository: str, mirror: str) -> Anonymous | None:
        """Say why a mirror is shown nothing: it is not shown what was meant for the registry."""
        part = self._registries.credential_of(registry, repository)
        if part is None:
            return None
        return Anonymous(
            note=f'the credential of registry."{registry}/{part.path}" is not shown to the mirror '
            f'{mirror}: give it one as [registry."{mirror}"]'
        )

    def _configured(self, table: Registry | PathCredential) -> Credential | Denied | None:
        """Return the credential that a table names; None when it names none."""
        path = table.token_file or table.password_file
        if not path:
            return None
        secret = self._secret(path)
        if isinstance(secret, Denied):
            return secret
        label = table.label if isinstance(table, PathCredential) else ""
        if table.token_file:
            token = IdentityToken(secret)
            return replace(token, name=label) if label else token
        fault = password_fault(table.username, secret.reveal())
        return Denied(reason=fault) if fault else Password(table.username, secret, label)

    def _secret(self, path: str) -> Secret | Denied:
        """Read a secret, at most once in `KEPT_S`: many repositories may share it."""
        kept = self._secrets.get(path)
        if kept and time.monotonic() < kept[0]:
            return kept[1]
        try:
            secret: Secret | Denied = Secret(read_secret(path))
        except RegistriesFault as error:
            secret = Denied(reason=str(error))
        self._secrets[path] = (time.monotonic() + KEPT_S, secret)
        return secret


def _bare_site(registries: Registries, registry: str) -> Site | Failure:
    named = registries.is_named(registry)
    fault = registry_fault(registry, named=named, allowed=registries.allowed(registry))
    if fault:
        return Refused(reason=fault)
    entry = registries.of(registry)
    try:
        api = api_of(registry, entry)
    except BadUrl as error:
        return Refused(reason=f"{registry}: {error}")
    path = entry.endpoint.partition("/")[2].strip("/")
    return Site(
        registry=registry,
        api=api,
        trusted=named,
        realms=realms_of(entry),
        namespace=registry if entry.endpoint else "",
        prefix=f"{path}/" if path else "",
        storage_hosts=frozenset(host.lower() for host in entry.storage_hosts),
    )
