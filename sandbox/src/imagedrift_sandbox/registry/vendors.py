"""Well-known registries' profile, as far as a client can tell them apart. See `docs/registries.md`.

`imitate(registry, Vendor.GHCR)` changes a running registry. Some vendors give tokens, or serve
manifests, on another host: for those a second registry that shares content and tokens is needed,

    SandboxRegistry(store=registry.store, tokens=registry.tokens)
"""

from enum import StrEnum

import msgspec

from imagedrift_sandbox.registry.auth import Auth, Scheme
from imagedrift_sandbox.registry.budgets import Budget, Dialect, Wait
from imagedrift_sandbox.registry.faults import Fault, no_digest_header
from imagedrift_sandbox.registry.routes import RouteKind
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_sandbox.registry.tag_pages import TagPaging

BOTH = (RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET)


class Vendor(StrEnum):
    """Whom to imitate."""

    DOCKER_HUB = "docker_hub"
    GHCR = "ghcr"
    LSCR = "lscr"
    QUAY = "quay"
    ECR = "ecr"
    ECR_PUBLIC = "ecr_public"
    ARTIFACT_REGISTRY = "artifact_registry"
    ACR = "acr"
    GITLAB = "gitlab"
    HARBOR = "harbor"
    GITEA = "gitea"
    NEXUS = "nexus"
    ARTIFACTORY = "artifactory"
    KUBERNETES = "kubernetes"
    RED_HAT = "red_hat"


class VendorProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor's way."""

    auth: Auth = Auth(scheme=Scheme.BEARER)
    budget: Budget | None = None
    faults: tuple[Fault, ...] = ()
    tag_paging: TagPaging = TagPaging.PLAIN
    tokens_elsewhere: bool = False
    manifests_elsewhere: bool = False


def _bearer(service: str, token_path: str = "/token", **rules: object) -> Auth:  # noqa: S107
    known: dict[str, object] = {"service": service, "token_path": token_path}
    return msgspec.convert({"scheme": Scheme.BEARER} | known | rules, Auth)


PROFILES = {
    Vendor.DOCKER_HUB: VendorProfile(
        auth=_bearer("registry.docker.io", token_field="both", expires_in=300),  # noqa: S106
        budget=Budget(limit=100, window_s=21_600, dialect=Dialect.DOCKER_HUB),
        tokens_elsewhere=True,
    ),
    Vendor.GHCR: VendorProfile(
        auth=_bearer("ghcr.io", refused_status=403, expires_in=None),
        budget=Budget(limit=44_000, window_s=60, kinds=BOTH, dialect=Dialect.NONE, wait=Wait.BODY),
        tag_paging=TagPaging.GHCR,
    ),
    Vendor.LSCR: VendorProfile(
        auth=_bearer("ghcr.io", expires_in=None), tokens_elsewhere=True, manifests_elsewhere=True
    ),
    Vendor.QUAY: VendorProfile(auth=_bearer("quay.io", "/v2/auth"), tag_paging=TagPaging.QUAY),
    Vendor.ECR: VendorProfile(
        auth=Auth(
            scheme=Scheme.BASIC,
            challenges=('Basic realm="{host}",service="ecr.amazonaws.com"',),
        ),
        faults=(no_digest_header(),),
        tag_paging=TagPaging.ECR,
    ),
    Vendor.ECR_PUBLIC: VendorProfile(
        auth=_bearer("public.ecr.aws", "/token/", expired_status=400),
        budget=Budget(limit=10, window_s=1, kinds=BOTH, dialect=Dialect.NONE),
    ),
    Vendor.ARTIFACT_REGISTRY: VendorProfile(auth=_bearer("{host}", "/v2/token", expires_in=3600)),
    Vendor.ACR: VendorProfile(
        auth=_bearer("{host}", "/oauth2/token", token_field="access_token", expires_in=None)  # noqa: S106
    ),
    Vendor.GITLAB: VendorProfile(
        auth=_bearer("container_registry", "/jwt/auth"), tokens_elsewhere=True
    ),
    Vendor.HARBOR: VendorProfile(auth=_bearer("harbor-registry", "/service/token")),
    Vendor.GITEA: VendorProfile(
        auth=_bearer(
            "container_registry",
            "/v2/token",
            expires_in=None,
            challenges=[
                'Bearer realm="{realm}",service="{service}",scope="*", Basic realm="Gitea"',
            ],
        )
    ),
    Vendor.NEXUS: VendorProfile(
        auth=Auth(
            scheme=Scheme.BASIC,
            challenges=('BASIC realm="Sonatype Nexus Repository Manager"',),
        ),
        faults=(Fault(kinds=(RouteKind.MANIFEST_HEAD,), credentials=True, status=405, body=""),),
    ),
    Vendor.ARTIFACTORY: VendorProfile(
        auth=_bearer("{host}", "/artifactory/api/docker/main/v2/token"),
        tag_paging=TagPaging.ARTIFACTORY,
    ),
    Vendor.KUBERNETES: VendorProfile(auth=Auth(), manifests_elsewhere=True),
    Vendor.RED_HAT: VendorProfile(
        auth=Auth(),
        faults=(no_digest_header(), Fault(kinds=BOTH, content_type="text/plain")),
        tag_paging=TagPaging.RED_HAT,
    ),
}


def imitate(
    registry: SandboxRegistry,
    vendor: Vendor,
    *,
    elsewhere: SandboxRegistry | None = None,
    users: dict[str, str] | None = None,
    private: tuple[str, ...] = (),
    identity_tokens: dict[str, str] | None = None,
) -> None:
    """Give a registry a vendor's profile, in place of those it has."""
    profile = PROFILES[vendor]
    other = elsewhere or registry
    if other is registry and (profile.tokens_elsewhere or profile.manifests_elsewhere):
        raise ValueError(f"{vendor} needs a second registry: give `elsewhere`")
    auth = msgspec.structs.replace(
        _auth_at(profile, registry, other),
        users=users or {},
        private=private,
        identity_tokens=identity_tokens or {},
    )
    for each in {registry, other}:
        each.auth = auth
        each.faults.clear()
    registry.limit(profile.budget)
    registry.tag_paging = profile.tag_paging
    for fault in profile.faults:
        registry.misbehave(fault)
    if profile.manifests_elsewhere:
        after_login = True if profile.tokens_elsewhere else None
        registry.misbehave(Fault(kinds=BOTH, redirect=other.url, credentials=after_login))


def _auth_at(profile: VendorProfile, registry: SandboxRegistry, other: SandboxRegistry) -> Auth:
    """Write the addresses of these registries into how a vendor asks for credentials."""
    auth = profile.auth
    return msgspec.structs.replace(
        auth,
        realm=f"{other.url}{auth.token_path}" if profile.tokens_elsewhere else "",
        service=auth.service.format(host=registry.host),
        challenges=tuple(each.replace("{host}", registry.url) for each in auth.challenges),
    )
