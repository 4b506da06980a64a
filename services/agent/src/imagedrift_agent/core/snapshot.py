"""A snapshot of a source, or why there is none."""

from msgspec import Struct

from imagedrift_agent.core.inventory import ImageList


class SourceFault(Exception):
    """The source cannot be read now; the message names its fault, in words for an operator."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The images of a host, and the source's facts of the host itself."""

    image_list: ImageList
    engine: str
    engine_version: str = ""
    os: str = "linux"
    arch: str = "amd64"
    hostname: str = ""
    labels: dict[str, str] = {}
