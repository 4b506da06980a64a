"""The settings of the dashboard."""

from typing import Annotated

from msgspec import Meta, field

from imagedrift_dashboard.core import access
from imagedrift_dashboard.core.access import AccessRules
from imagedrift_runtime import urls
from imagedrift_runtime.common_settings import CommonSettings
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

    @property
    def access(self) -> AccessRules:
        """The rules of access. Raises `SettingsFault`."""
        if not (self.proxies or self.open_to_all or access.is_loopback(self.address)):
            raise SettingsFault(
                [
                    f"IMAGEDRIFT_DASHBOARD_ADDRESS: {self.address} is reached by other machines:"
                    " name the proxy that signs users in (IMAGEDRIFT_DASHBOARD_PROXIES)"
                ]
            )
        if self.roles and not self.proxies:
            raise SettingsFault(
                ["IMAGEDRIFT_DASHBOARD_ROLES: groups come from a proxy: name it in _PROXIES"]
            )
        return AccessRules(
            proxies=access.networks(self.proxies),
            user_header=self.user_header.lower(),
            group_header=self.group_header.lower(),
            roles=self.roles,
            role=self.role,
        )
