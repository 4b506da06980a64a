"""The settings of the dashboard."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from imagedrift_dashboard.core import access, cookie_key, provider
from imagedrift_dashboard.core.access import AccessRules
from imagedrift_dashboard.core.provider import ClientRegistration
from imagedrift_runtime import urls
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.file_faults import unreadable
from imagedrift_runtime.settings import SettingsFault, Variable

ROLE = r"^[a-z_][a-z0-9_]{0,62}$"


class DashboardSettings(CommonSettings, frozen=True, kw_only=True):
    """The settings of the dashboard."""

    database_url: Annotated[
        str,
        Meta(min_length=1),
        Variable(
            "DATABASE_URL",
            "PostgreSQL, with a login that reads the views",
            secret=True,
            check=urls.database_fault,
        ),
    ]
    address: Annotated[
        str, Variable("IMAGEDRIFT_DASHBOARD_ADDRESS", "address that serves the pages")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=0, le=65535),
        Variable("IMAGEDRIFT_DASHBOARD_PORT", "port that serves the pages; 0 is a free one"),
    ] = 8088
    open_to_all: Annotated[
        bool,
        Variable(
            "IMAGEDRIFT_DASHBOARD_OPEN",
            "true where an address other than loopback needs no proxy, as in a container",
        ),
    ] = False
    proxies: Annotated[
        tuple[str, ...],
        Variable(
            "IMAGEDRIFT_DASHBOARD_PROXIES",
            "addresses or networks of the proxies that sign users in, comma-separated",
            check=access.network_fault,
        ),
    ] = ()
    user_header: Annotated[
        str, Variable("IMAGEDRIFT_DASHBOARD_USER_HEADER", "header in which a proxy names the user")
    ] = "X-Forwarded-User"
    group_header: Annotated[
        str,
        Variable("IMAGEDRIFT_DASHBOARD_GROUP_HEADER", "header in which it lists the user's groups"),
    ] = "X-Forwarded-Groups"
    roles: Annotated[
        dict[str, Annotated[str, Meta(pattern=ROLE)]],
        Variable(
            "IMAGEDRIFT_DASHBOARD_ROLES",
            "group=role,…: the database's role of each group; a user in none of them is refused",
        ),
    ] = field(default_factory=dict)
    role: Annotated[
        str,
        Meta(pattern=f"{ROLE}|^$"),
        Variable(
            "IMAGEDRIFT_DASHBOARD_ROLE",
            "the database's role of every viewer, where groups have none; else that of the login",
        ),
    ] = ""

    decider_roles: Annotated[
        tuple[Annotated[str, Meta(pattern=ROLE)], ...],
        Variable(
            "IMAGEDRIFT_DASHBOARD_DECIDER_ROLES",
            "roles whose viewers decide about images on the pages, comma-separated;"
            " the pages write nothing else",
        ),
    ] = ()
    logins: Annotated[
        dict[str, str],
        Variable(
            "IMAGEDRIFT_DASHBOARD_LOGINS",
            "role=path,…: files with the DATABASE_URL of a login of its own for a role",
        ),
    ] = field(default_factory=dict)
    url: Annotated[
        str,
        Variable(
            "IMAGEDRIFT_DASHBOARD_URL",
            "where browsers find the pages, as https://drift.example.org; needed to sign in",
            check=provider.origin_fault,
        ),
    ] = ""
    oidc_issuer: Annotated[
        str,
        Variable(
            "IMAGEDRIFT_DASHBOARD_OIDC_ISSUER",
            "the issuer of the OpenID Connect provider that signs users in",
            check=provider.issuer_fault,
        ),
    ] = ""
    oidc_client_id: Annotated[
        str, Variable("IMAGEDRIFT_DASHBOARD_OIDC_CLIENT_ID", "this service's name at the provider")
    ] = ""
    oidc_client_secret: Annotated[
        str,
        Variable(
            "IMAGEDRIFT_DASHBOARD_OIDC_CLIENT_SECRET", "its secret, where it has one", secret=True
        ),
    ] = ""
    oidc_scopes: Annotated[
        str, Variable("IMAGEDRIFT_DASHBOARD_OIDC_SCOPES", "scopes that are asked for")
    ] = "openid profile email"
    oidc_groups_claim: Annotated[
        str,
        Variable("IMAGEDRIFT_DASHBOARD_OIDC_GROUPS_CLAIM", "claim of the ID token with the groups"),
    ] = "groups"
    oidc_ca: Annotated[
        str,
        Variable(
            "IMAGEDRIFT_DASHBOARD_OIDC_CA",
            "path of the CA that signed the provider's certificate",
            file="CERTIFICATE---",
        ),
    ] = ""
    session_key: Annotated[
        str,
        Meta(pattern=rf"^$|^.{{{cookie_key.LEAST_BYTES},}}$"),
        Variable(
            "IMAGEDRIFT_DASHBOARD_SESSION_KEY",
            f"signs sessions: {cookie_key.LEAST_BYTES} characters or more, the same for all"
            " replicas; else made at each start",
            secret=True,
        ),
    ] = ""
    session_hours: Annotated[
        int,
        Meta(ge=1, le=168),
        Variable("IMAGEDRIFT_DASHBOARD_SESSION_HOURS", "hours after which one has to sign in anew"),
    ] = 8

    @property
    def access(self) -> AccessRules:
        """The rules of access. Raises `SettingsFault`."""
        if faults := list(self._faults()):
            raise SettingsFault(faults)
        return AccessRules(
            proxies=access.networks(self.proxies),
            user_header=self.user_header.lower(),
            group_header=self.group_header.lower(),
            roles=self.roles,
            role=self.role,
            deciders=self.decider_roles,
        )

    @property
    def oidc(self) -> ClientRegistration | None:
        """The provider that signs users in; none where nobody signs in here."""
        if not self.oidc_issuer:
            return None
        return ClientRegistration(
            issuer=self.oidc_issuer,
            id=self.oidc_client_id,
            secret=self.oidc_client_secret,
            url=self.url.rstrip("/"),
            scopes=self.oidc_scopes,
            groups_claim=self.oidc_groups_claim,
        )

    @property
    def login_urls(self) -> Mapping[str, str]:
        """The DATABASE_URL of each role that has a login of its own. Raises `SettingsFault`."""
        return {role: _database_url(role, path) for role, path in self.logins.items()}

    def _faults(self) -> Iterator[str]:
        """Find settings that do not go together."""
        signs_in = self.oidc_issuer != ""
        is_beyond = not access.is_loopback(self.address)
        if is_beyond and not (self.proxies or signs_in or self.open_to_all):
            yield (
                f"IMAGEDRIFT_DASHBOARD_ADDRESS: {self.address} is reached by other machines:"
                " name the proxy that signs users in (IMAGEDRIFT_DASHBOARD_PROXIES), or a provider"
                " (IMAGEDRIFT_DASHBOARD_OIDC_ISSUER)"
            )
        if self.roles and not (self.proxies or signs_in):
            yield (
                "IMAGEDRIFT_DASHBOARD_ROLES: groups come from a proxy or a provider: name it in"
                " _PROXIES or _OIDC_ISSUER"
            )
        for role in {*self.decider_roles, *self.logins} - {*self.roles.values(), self.role}:
            yield (
                f"IMAGEDRIFT_DASHBOARD_ROLES: no group has the role {role} of another setting;"
                f" where nobody signs in, IMAGEDRIFT_DASHBOARD_ROLE={role} gives it to every viewer"
            )
        if signs_in:
            yield from self._sign_in_faults()
        elif self.oidc_client_id or self.oidc_client_secret:
            yield "IMAGEDRIFT_DASHBOARD_OIDC_ISSUER: required with the other settings of OIDC"

    def _sign_in_faults(self) -> Iterator[str]:
        if self.proxies:
            yield (
                "IMAGEDRIFT_DASHBOARD_OIDC_ISSUER: either the proxy of _PROXIES signs users in, or"
                " the provider does: name one"
            )
        if not self.roles:
            yield (
                "IMAGEDRIFT_DASHBOARD_ROLES: required with a provider, as group=role,…:"
                " who is in none of the groups has no entry"
            )
        for name, value in (("OIDC_CLIENT_ID", self.oidc_client_id), ("URL", self.url)):
            if not value:
                yield f"IMAGEDRIFT_DASHBOARD_{name}: required with a provider"
        if "openid" not in self.oidc_scopes.split():
            yield "IMAGEDRIFT_DASHBOARD_OIDC_SCOPES: openid has to be among them"


def _database_url(role: str, path: str) -> str:
    name = f"IMAGEDRIFT_DASHBOARD_LOGINS: {role}"
    try:
        url = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingsFault([f"{name}: {unreadable(path, error)}"]) from None
    if fault := urls.database_fault(url):
        raise SettingsFault([f"{name}: {path!r}: {fault}"])
    return url
