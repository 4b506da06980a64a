"""Many images at once."""

from imagedrift_schemas.v1 import LocalImage
from support.ingest import image


def many(host: str, count: int, running: int = 0) -> list[LocalImage]:
    """Images that nobody else has."""
    names = (f"docker.io/{host}/app{n}:1" for n in range(count))
    return [image(one, running=running) for one in names]
