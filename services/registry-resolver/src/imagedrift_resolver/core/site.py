"""A registry as it is asked: where, with which credential, and whom it may send us to.

- A credential is bound to the registry's own origin, and to the path there that it is for: a
  redirect into another path is made without it. A token endpoint is shown it on the same
  host, whatever the port (GitLab's registry is on 5050, its tokens on 443; and a registry that
  means ill can ask for the password itself). Elsewhere only if that pair of hosts is known
  (`PAIRS`) or configured (`realms`). (CVE-2020-15157, CVE-2026-33540)
- A redirect is followed without it, at most `MOST_HOPS` times, never from https to http.
  (GHSA-vh4v-2xq2-g5cg, GO-2026-5822)
- Realms and redirect targets are public addresses, or the registry's own named host.
  (CVE-2026-48978)
"""

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_resolver.core.challenge import Challenge
from imagedrift_resolver.core.credential import (
    Anonymous,
    Credential,
    Password,
    RegistryToken,
    Secret,
)
from imagedrift_resolver.core.reply import shown
from imagedrift_resolver.core.token import Grant, pull_scope
from imagedrift_resolver.core.url import BadUrl, Url, parse_url
from imagedrift_schemas.network_address import address_fault
from imagedrift_schemas.reference import parents
from imagedrift_schemas.registry_name import DOCKER_HUB, canonical_registry
from imagedrift_schemas.v1 import Denied, Failure, Invalid, Refused

MOST_HOPS: Final = 3
API_ROOT: Final = "/v2/"
HUB_API: Final = "registry-1.docker.io"
REPOSITORY: Final = re.compile(r"/v2/([^?]+)/(?:(?:manifests|blobs)/[^/]+|tags/list(?:\?|$))")
"""A path of the distribution API, which tells the repository that a token is for."""
PAIRS: Final = frozenset(
    {
        (HUB_API, "auth.docker.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("lscr.io", "ghcr.io"),
    }
)
"""(registry, token endpoint) that belong together although their hosts differ."""

_TOKEN_HOSTS: Final = {"auth.docker.io": DOCKER_HUB, "gitlab.com": "registry.gitlab.com"}
"""Hosts that give tokens for a registry and are none."""


class Site(Struct, frozen=True, kw_only=True):
    """One registry, ready to be asked."""

    registry: str
    api: Url
    trusted: bool = False
    """The operator named it: its own host may be a private address."""
    realms: frozenset[str] = frozenset()
    credential: Credential = Anonymous()
    part: str = ""
    """The path of the registry that the credential is for, where that is not the whole."""
    namespace: str = ""
    """The registry that this one mirrors, told to it as `ns`."""
    prefix: str = ""
    """Path of a mirror that stands before every repository, as `hub-proxy/`."""
    storage_hosts: frozenset[str] = frozenset()
    """Further inner hosts that it may redirect to; they are never shown a credential."""

    @property
    def is_hub(self) -> bool:
        """Tell whether Docker Hub's own servers are asked, which count GETs; a mirror is none."""
        return self.api.host == HUB_API

    def url(self, repository: str, kind: str, reference: str) -> Url:
        """Return the url of a manifest or blob, or of the list of `tags`."""
        query = f"?ns={self.namespace}" if self.namespace else ""
        return replace(self.api, target=f"/v2/{self.prefix}{repository}/{kind}/{reference}{query}")

    def is_own(self, url: Url) -> bool:
        """Tell whether the registry itself answers there."""
        return url.origin == self.api.origin

    def shown_at(self, url: Url) -> Credential:
        """Return the credential that may be shown there: the registry's, within its own path."""
        return self.credential if self.is_own(url) and self._is_in_part(url) else Anonymous()

    def _is_in_part(self, url: Url) -> bool:
        if not self.part or url.target == API_ROOT:
            return True
        path = REPOSITORY.match(url.target)
        return path is not None and self.part in parents(path[1])

    def trusts(self, host: str) -> bool:
        """Tell whether a private address is fine for this host."""
        inner = {self.api.host, *self.realms, *map(host_of, self.storage_hosts)}
        return self.trusted and host in inner

    def may_see_credential(self, realm: Url) -> bool:
        """Tell whether a token endpoint may be shown the registry's credential."""
        own = realm.host == self.api.host and (realm.scheme == "https" or self.api.scheme == "http")
        return own or realm.host in self.realms or (self.api.host, realm.host) in PAIRS


def registry_at(url: Url) -> str:
    """Return the name of the registry that a url belongs to, if it is one of a registry."""
    host = url.host.rstrip(".")
    return _TOKEN_HOSTS.get(host) or canonical_registry(replace(url, host=host).authority)


def host_of(name: str) -> str:
    """Return a host as it is spelt in a url that was read, without a port."""
    host, colon, port = name.lower().rpartition(":")
    has_port = colon and port.isdigit() and (host.endswith("]") or ":" not in host)
    return host if has_port else name.lower()


class Header(Struct, frozen=True):
    """The same header with every request."""

    value: Secret
    credential: Credential
    """The kind of credential in the value."""
    is_quiet: bool = False
    """A stranger gets a 403 or 404 without a challenge; only the API root challenges."""


class Bearer(Struct, frozen=True):
    """A token per repository."""

    realm: Url
    service: str
    credential: str
    scope: str = ""
    """The scope of the challenge, where a path does not tell its repository."""
    is_quiet: bool = False

    def grant(self, scope: str) -> Grant:
        """Return the credential with which a token for this scope is asked."""
        return Grant(self.realm, self.service, self.scope or scope, self.credential)


AuthMethod = Header | Bearer
"""How one origin lets us in, where something has to be shown."""


def can_be_answered(challenges: tuple[Challenge, ...]) -> bool:
    """Tell whether any of these asks for something that we could show."""
    return any(c.scheme == "basic" or _has_realm(c) for c in challenges)


def auth_method_for(
    site: Site, url: Url, challenges: tuple[Challenge, ...], *, is_quiet: bool = False
) -> AuthMethod | Failure:
    """Choose how to answer a 401 from `url`: Bearer before Basic, or say why neither will do."""
    credential = site.shown_at(url)
    refusal: Failure | None = None
    for challenge in challenges:
        if _has_realm(challenge):
            if isinstance(credential, RegistryToken):
                value = Secret(f"Bearer {credential.token.reveal()}")
                return Header(value, credential, is_quiet)
            auth = _bearer(site, url, challenge, credential)
            if isinstance(auth, Bearer):
                return replace(auth, is_quiet=is_quiet)
            refusal = refusal or auth
    if isinstance(credential, Password) and any(c.scheme == "basic" for c in challenges):
        return Header(Secret(credential.basic()), credential, is_quiet)
    return refusal or Denied(reason=_wants(challenges, credential))


def _has_realm(challenge: Challenge) -> bool:
    return challenge.scheme == "bearer" and bool(challenge.parameters.get("realm"))


def redirect(site: Site, url: Url, location: str) -> Url | Failure:
    """Return where a redirect leads, or why it is not followed."""
    try:
        target = parse_url(location, url)
    except BadUrl as error:
        return Invalid(reason=f"the registry redirects to an address that {error}")
    fault = _path_fault(site, url, target, "storage_hosts")
    return (
        Refused(reason=f"not followed: a redirect to {target.authority}, {fault}")
        if fault
        else target
    )


def _bearer(site: Site, url: Url, challenge: Challenge, credential: Credential) -> Bearer | Failure:
    try:
        realm = parse_url(challenge.parameters["realm"], url)
    except BadUrl as error:
        return Invalid(reason=f"the registry's token endpoint (realm) {error}")
    fault = _path_fault(site, url, realm, "realms")
    if realm.host == HUB_API and not site.is_hub:
        fault = "which gives none, and counts each request as a pull"
    if fault:
        return Refused(reason=f"no token asked of {realm.authority}, {fault}")
    if not isinstance(credential, Anonymous) and not site.may_see_credential(realm):
        return Denied(
            reason=f"the credential for {site.registry} was not shown to {realm.authority}: "
            f'if it may be, set realms = ["{realm.host}"] for this registry'
        )
    service = challenge.parameters.get("service", "")[:256]
    service = service if service.isprintable() else ""
    scope = (
        "" if REPOSITORY.match(url.target) else pull_scope(challenge.parameters.get("scope", ""))
    )
    return Bearer(realm, service, credential.name, scope)


def _path_fault(site: Site, url: Url, target: Url, key: str) -> str:
    """Return why one must not go from a url to another, or nothing."""
    if url.scheme == "https" and target.scheme == "http":
        return "which would lead from https to http"
    if target.host[0] == "[" or target.host.replace(".", "").isdigit():
        fault = address_fault(target.host.strip("[]"))
        if fault and not site.trusts(target.host):
            return f"which {fault}: if it may be asked, name it in {key} of this registry"
    return ""


def _wants(challenges: tuple[Challenge, ...], credential: Credential) -> str:
    if any(c.scheme == "basic" for c in challenges):
        told = "the registry wants a user name and password"
        if isinstance(credential, Anonymous):
            return f"{told}: configure a credential for it{why_none(credential)}"
        return f"{told}; its credential ({credential.name}) is a token, and was not shown"
    schemes = ", ".join(sorted({shown(c.scheme, 20) for c in challenges}))
    if schemes:
        return f"the registry wants a kind of authentication that we do not speak: {schemes}"
    return "the registry answered 401 and does not say what it wants"


def denial(site: Site, url: Url, *, is_shown: bool) -> str:
    """Say why somebody at `url` may not let us in: what was shown, and why not more."""
    credential = site.credential
    if not site.is_own(url):
        return f"{url.authority}, to which it redirects, is shown no credential"
    if site.shown_at(url) != credential:
        return f"it redirects out of {site.part}, which its credential ({credential.name}) is for"
    if is_shown and not isinstance(credential, Anonymous):
        return (
            f"the credential that was shown ({credential.name}) is not accepted, or may not read it"
        )
    if isinstance(credential, Anonymous):
        return f"no credential is configured for it{why_none(credential)}"
    return f"its credential ({credential.name}) was not shown, as nothing asked for it"


def why_none(credential: Credential) -> str:
    """Return why there is no credential, in parentheses, where that is known."""
    note = credential.note if isinstance(credential, Anonymous) else ""
    return f" ({note})" if note else ""
