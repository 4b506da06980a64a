"""The hosts that a registry's table in `registries.toml` names."""

from typing import Final

from imagedrift_resolver.core.site import HUB_API
from imagedrift_resolver.core.url import Url, parse_url
from imagedrift_runtime.registries.operator_file import Registry
from imagedrift_schemas.reference import DOCKER_HUB

_APIS: Final = {DOCKER_HUB: HUB_API}


def api_of(registry: str, entry: Registry) -> Url:
    """Return where a registry answers. Raises `BadUrl`."""
    host = entry.endpoint.partition("/")[0]
    return parse_url(f"{entry.scheme}://{host or _APIS.get(registry, registry)}")


def mirror_of(entry: Registry) -> str:
    """Return the name of the registry that is asked in place of this one, or nothing."""
    return entry.endpoint.partition("/")[0].lower()


def realms_of(entry: Registry) -> frozenset[str]:
    """Return the further hosts of token endpoints, as they are spelt in a url that was read."""
    return frozenset(realm.lower() for realm in entry.realms)
