"""Which version of the engine's API we speak: the newest that both sides know."""

from typing import Final

from imagedrift_agent.core.records import Version

NEWEST_WE_READ: Final = (1, 54)
MANIFESTS_SINCE: Final = (1, 48)


def path_prefix(version: Version) -> str:
    """The start of every path, like `/v1.41`; nothing for an engine that does not say."""
    spoken = _spoken(version)
    return f"/v{spoken[0]}.{spoken[1]}" if spoken else ""


def wants_manifests(version: Version) -> bool:
    """Tell whether the details of an image can list its manifests."""
    spoken = _spoken(version)
    return spoken is not None and spoken >= MANIFESTS_SINCE


def _spoken(version: Version) -> tuple[int, int] | None:
    major, _, minor = version.api_version.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        return None
    return min((int(major), int(minor)), NEWEST_WE_READ)
