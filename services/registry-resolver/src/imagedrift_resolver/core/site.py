"""A registry as it is asked: where, with which credential, and whom it may send us to.

- A credential is bound to the registry's own origin. A token endpoint is shown it on the same
  host, whatever the port (GitLab's registry is on 5050, its tokens on 443; and a registry that
  means ill can ask for the password itself). Elsewhere only if that pair of hosts is known
  (`PAIRS`) or configured (`realms`). (CVE-2020-15157, CVE-2026-33540)
- A redirect is followed without it, at most `MOST_HOPS` times, never from https to http.
  (GHSA-vh4v-2xq2-g5cg, GO-2026-5822)
- Realms and redirect targets are public addresses, or the registry's own named host.
  (CVE-2026-48978)
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_resolver.core.address import address_fault
from imagedrift_resolver.core.challenge import Challenge
from imagedrift_resolver.core.credential import (
    Anonymous,
    Credential,
    Password,
    RegistryToken,
    Secret,
)
from imagedrift_resolver.core.reply import shown
from imagedrift_resolver.core.token import Grant
from imagedrift_resolver.core.url import BadUrl, Url, parse_url
from imagedrift_schemas.reference import DOCKER_HUB
from imagedrift_schemas.v1 import Denied, Failure, Invalid, Refused

MOST_HOPS: Final = 3
HUB_API: Final = "registry-1.docker.io"
PAIRS: Final = frozenset(
    {
        (HUB_API, "auth.docker.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("lscr.io", "ghcr.io"),
    }
)
"""(registry, token endpoint) that belong together although their hosts differ."""


class Site(Struct, frozen=True, kw_only=True):
    """One registry, ready to be asked."""

    registry: str
    api: Url
    trusted: bool = False
    """The operator named it: its own host may be a private address."""
    realms: frozenset[str] = frozenset()
    credential: Credential = Anonymous()
    namespace: str = ""
    """The registry that this one mirrors, told to it as `ns`."""
    prefix: str = ""
    """Path of a mirror that stands before every repository, as `hub-proxy/`."""
    storage_hosts: frozenset[str] = frozenset()
    """Further inner hosts that it may redirect to; they are never shown a credential."""

    @property
    def is_hub(self) -> bool:
        """Tell whether this is Docker Hub, which counts GETs."""
        return self.registry == DOCKER_HUB

    def url(self, repository: str, kind: str, reference: str) -> Url:
        """Return the url of a manifest or blob."""
        query = f"?ns={self.namespace}" if self.namespace else ""
        return replace(self.api, target=f"/v2/{self.prefix}{repository}/{kind}/{reference}{query}")

    def is_own(self, url: Url) -> bool:
        """Tell whether the registry's credential may be shown there."""
        return url.origin == self.api.origin

    def trusts(self, host: str) -> bool:
        """Tell whether a private address is fine for this host."""
        inner = {self.api.host, *self.realms, *map(host_of, self.storage_hosts)}
        return self.trusted and host in inner

    def may_see_credential(self, realm: Url) -> bool:
        """Tell whether a token endpoint may be shown the registry's credential."""
        own = realm.host == self.api.host and (realm.scheme == "https" or self.api.scheme == "http")
        return own or realm.host in self.realms or (self.api.host, realm.host) in PAIRS


def host_of(name: str) -> str:
    """Return a host as it is spelt in a url that was read, without a port."""
    host, colon, port = name.lower().rpartition(":")
    has_port = colon and port.isdigit() and (host.endswith("]") or ":" not in host)
    return host if has_port else name.lower()


class Open(Struct, frozen=True):
    """Nothing needs to be shown."""


class Header(Struct, frozen=True):
    """The same header with every request."""

    value: Secret


class Bearer(Struct, frozen=True):
    """A token per repository."""

    realm: Url
    service: str
    credential: str

    def grant(self, scope: str) -> Grant:
        """Return what a token for this scope is asked with."""
        return Grant(self.realm, self.service, scope, self.credential)


Way = Open | Header | Bearer
"""How one origin lets us in."""


def way_in(site: Site, url: Url, challenges: tuple[Challenge, ...]) -> Way | Failure:
    """Choose how to answer a 401 from `url`: Bearer before Basic, or say why neither will do."""
    credential = site.credential if site.is_own(url) else Anonymous()
    refusal: Failure | None = None
    for challenge in challenges:
        if challenge.scheme == "bearer" and "realm" in challenge.parameters:
            if isinstance(credential, RegistryToken):
                return Header(Secret(f"Bearer {credential.token.reveal()}"))
            way = _bearer(site, url, challenge, credential)
            if isinstance(way, Bearer):
                return way
            refusal = refusal or way
    if isinstance(credential, Password) and any(c.scheme == "basic" for c in challenges):
        return Header(Secret(credential.basic()))
    return refusal or Denied(reason=_wants(challenges))


def redirect(site: Site, url: Url, location: str) -> Url | Failure:
    """Return where a redirect leads, or why it is not followed."""
    try:
        target = parse_url(location, url)
    except BadUrl as error:
        return Invalid(reason=f"the registry redirects to an address that {error}")
    fault = _way_fault(site, url, target, "storage_hosts")
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
    fault = _way_fault(site, url, realm, "realms")
    if fault:
        return Refused(reason=f"no token asked of {realm.authority}, {fault}")
    if not isinstance(credential, Anonymous) and not site.may_see_credential(realm):
        return Denied(
            reason=f"the credential for {site.registry} was not shown to {realm.authority}: "
            f'if it may be, set realms = ["{realm.host}"] for this registry'
        )
    service = challenge.parameters.get("service", "")[:256]
    return Bearer(realm, service if service.isprintable() else "", credential.name)


def _way_fault(site: Site, url: Url, target: Url, key: str) -> str:
    """Return why one must not go from a url to another, or nothing."""
    if url.scheme == "https" and target.scheme == "http":
        return "which would lead from https to http"
    if target.host[0] == "[" or target.host.replace(".", "").isdigit():
        fault = address_fault(target.host.strip("[]"))
        if fault and not site.trusts(target.host):
            return f"which {fault}: if it may be asked, name it in {key} of this registry"
    return ""


def _wants(challenges: tuple[Challenge, ...]) -> str:
    if any(c.scheme == "basic" for c in challenges):
        return "the registry wants a user name and password: configure a credential for it"
    schemes = ", ".join(sorted({shown(c.scheme, 20) for c in challenges}))
    if schemes:
        return f"the registry wants a kind of authentication that we do not speak: {schemes}"
    return "the registry answered 401 and does not say what it wants"
