"""Access: the viewers of the pages, and the role of the database that each reads as.

| setting                           | who reads                                                   |
|-----------------------------------|-------------------------------------------------------------|
| no proxies (the default)          | whoever reaches the address, by a name of this machine      |
| `IMAGEDRIFT_DASHBOARD_PROXIES`    | whom a proxy of these addresses names in the header of users |
| and `IMAGEDRIFT_DASHBOARD_ROLES`  | of these, who is in one of the groups; each with its role   |
| `IMAGEDRIFT_DASHBOARD_OIDC_…`     | who signs in at that provider, and is in one of the groups  |

Rules:
- A header counts only in a request whose connection comes from a proxy. Nobody else is answered.
  The connection's own address counts: what a header says of addresses is not read.
- A header of the viewer that comes twice is refused: the first may be the client's own. So is a
  user with a comma: that is how a proxy adds to a header which it should replace.
- With roles, a user without a group has no entry. With several groups the first of the setting
  counts.
- Without proxies the `Host` has to be a name of this machine: a page of another site, whose name is
  made to mean 127.0.0.1, reads nothing.
- Another site may link to a page, and nothing more: what it loads in the background is refused, and
  so is every form that it sends.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from imagedrift_dashboard.core.page_fault import PageFault

_OWN_SITES = ("same-origin", "none")
"""The words of a browser for a request of the page itself, and for one that its user typed."""
_READING = ("GET", "HEAD")
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Session(Struct, frozen=True):
    """A session, as the cookie of a browser has it."""

    id: str
    name: str
    role: str
    until: int
    """Seconds since 1970."""


class Viewer(Struct, frozen=True):
    """A person that may read."""

    name: str = ""
    """As the proxy or the provider says; empty without one."""
    role: str = ""
    """The role of the database; empty for that of the login."""
    session: Session | None = None
    """The session of a user that signed in here."""


class AccessRules(Struct, frozen=True, kw_only=True):
    """The rules that the settings make."""

    proxies: tuple[IpNetwork, ...] = ()
    user_header: str = "x-forwarded-user"
    group_header: str = "x-forwarded-groups"
    roles: Mapping[str, str] = {}
    """Groups, and the role of each."""
    role: str = ""
    """The role of everybody, where groups have none."""
    deciders: tuple[str, ...] = ()
    """The roles whose viewers decide on the pages; none where the pages write nothing."""

    def may_decide(self, viewer: Viewer) -> bool:
        """Tell whether a viewer decides about images here."""
        return viewer.role in self.deciders

    def headers(self, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Give the headers of a request by name. Raises `PageFault`."""
        found: dict[str, str] = {}
        for name, value in pairs:
            if name in found and name in (self.user_header, self.group_header, "host"):
                advice = "The proxy has to replace it, and not to add its own."
                raise PageFault(400, f"the header {name} is given twice", advice)
            found.setdefault(name, value)
        return found

    def refuse_other_sites(self, headers: Mapping[str, str], method: str = "GET") -> None:
        """Refuse requests that a page of another site makes. Raises `PageFault`."""
        is_link = headers.get("sec-fetch-mode") == "navigate" and method in _READING
        is_whole_page = headers.get("sec-fetch-dest", "document") == "document"
        if headers.get("sec-fetch-site", "none") in _OWN_SITES or (is_link and is_whole_page):
            return
        raise PageFault(403, "another site asks for this", "Open the page by itself.")

    def viewer(self, peer: str, headers: Mapping[str, str]) -> Viewer:
        """Identify the viewer of a request, by its connection and headers. Raises `PageFault`."""
        if not self.proxies:
            return self._local_viewer(headers.get("host", ""))
        if not _is_within(peer, self.proxies):
            advice = "Use the address of the proxy in front of it."
            raise PageFault(403, "this address answers its proxy only", advice)
        if not (user := headers.get(self.user_header, "").strip()):
            advice = f"Sign in at the proxy; it has to send {self.user_header}."
            raise PageFault(401, "nobody is signed in", advice)
        if "," in user:
            advice = f"The proxy has to replace {self.user_header}, and not to add to it."
            raise PageFault(400, "the proxy names several users", advice)
        return Viewer(user, self._role(user, headers.get(self.group_header, "")))

    def _local_viewer(self, host: str) -> Viewer:
        if not is_loopback(_host_name(host)):
            advice = "Use http://127.0.0.1 or http://localhost, or put a proxy in front of it."
            raise PageFault(421, f"this page is not {host}", advice)
        return Viewer(role=self.role)

    def _role(self, user: str, groups: str) -> str:
        if not self.roles:
            return self.role
        has = {each.strip() for each in groups.split(",")}
        for group, role in self.roles.items():
            if group in has:
                return role
        advice = "IMAGEDRIFT_DASHBOARD_ROLES names the groups that may read."
        raise PageFault(403, f"the user {user} is in no group that may read", advice)


def networks(texts: Sequence[str]) -> tuple[IpNetwork, ...]:
    """Read addresses and networks. Raises `ValueError`."""
    return tuple(ipaddress.ip_network(each) for each in texts)


def network_fault(text: str) -> str:
    """Describe the fault of an address or a network; empty when there is none."""
    try:
        networks([text])
    except ValueError as error:
        return f"is no address and no network: {error}"
    return ""


def is_loopback(address: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_within(peer: str, allowed: Sequence[IpNetwork]) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in allowed)


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
