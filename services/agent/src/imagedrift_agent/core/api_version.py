"""Which version of the engine's API we speak: the newest that both sides know."""

from typing import Final

from imagedrift_agent.core.records import EngineVersion

NEWEST_WE_READ: Final = (1, 54)
LISTED_MANIFESTS_SINCE: Final = (1, 47)
MANIFESTS_SINCE: Final = (1, 48)
CONTAINERS_MANIFEST_SINCE: Final = (1, 49)
ORIGINS_SINCE: Final = (1, 53)


def spoken_with(version: EngineVersion) -> str:
    """Name the version to speak, like `v1.41`; nothing for an engine that does not say."""
    spoken = _spoken(version)
    return f"v{spoken[0]}.{spoken[1]}" if spoken else ""


def wants_manifests(version: EngineVersion) -> bool:
    """Tell whether the details of an image can list its manifests."""
    return (_spoken(version) or (0, 0)) >= MANIFESTS_SINCE


def can_list_manifests(version: EngineVersion) -> bool:
    """Tell whether the list of images can have their manifests."""
    return (_spoken(version) or (0, 0)) >= LISTED_MANIFESTS_SINCE


def needs_listed_manifests(version: EngineVersion) -> bool:
    """Tell whether only the list of images says which containers were made from a manifest."""
    return can_list_manifests(version) and (_spoken(version) or ()) < CONTAINERS_MANIFEST_SINCE


def tells_origins(version: EngineVersion) -> bool:
    """Tell whether an image's details say where it came from, on a store that knows."""
    return (_spoken(version) or (0, 0)) >= ORIGINS_SINCE


def _spoken(version: EngineVersion) -> tuple[int, int] | None:
    major, _, minor = version.api_version.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        return None
    return min((int(major), int(minor)), NEWEST_WE_READ)
