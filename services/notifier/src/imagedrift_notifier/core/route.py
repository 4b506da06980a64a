"""A route: what is told, to whom, and when."""

from typing import Literal

from msgspec import Struct

from imagedrift_notifier.core.schedule import RouteSchedule
from imagedrift_schemas.reference import CanonicalParts

TopicKind = Literal["outdated", "version", "missing", "error"]
"""The subject of a message: an image that its registry replaced; a newer version that is asked for;
a tag that is gone; a registry that cannot be asked."""
Channel = Literal["apprise", "webhook"]


class HostFilter(Struct, frozen=True, kw_only=True):
    """Which hosts count for a route; empty is all."""

    sites: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    """At these places, or inside them."""
    labels: dict[str, str] = {}
    """Hosts with all of these labels."""

    @property
    def key(self) -> tuple[object, ...]:
        """Return a value that is equal for filters of the same hosts."""
        return self.sites, self.places, tuple(sorted(self.labels.items()))


class MessageRoute(Struct, frozen=True, kw_only=True):
    """One route of the file."""

    name: str
    channel: Channel
    address_file: str
    """The file that holds the channel's address."""
    secret_file: str = ""
    """The file that holds a webhook's signing keys, the newest first."""
    schedule: RouteSchedule
    hosts: HostFilter = HostFilter()
    registries: tuple[str, ...] = ()
    kinds: tuple[TopicKind, ...] = ("outdated", "version")
    backlog: bool = False
    """Whether images that were due before the route was made are told, too."""

    @property
    def address_key(self) -> str:
        """The key of the file that names the address."""
        return f"{self.channel}_file"

    def tells_of(self, reference: str) -> bool:
        """Tell whether an image of this name may be told of."""
        return not self.registries or CanonicalParts.of(reference).registry in self.registries


class Routes(Struct, frozen=True, kw_only=True):
    """The file as a whole."""

    page: str = ""
    """The address of the web pages, for links; without it there are none."""
    routes: dict[str, MessageRoute] = {}
