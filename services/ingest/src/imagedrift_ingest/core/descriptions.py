"""The content of a digest, described in parts: a part that was read is true for ever."""

from collections.abc import Sequence

from msgspec.structs import replace

from imagedrift_schemas.v1 import Child


def merged(before: Sequence[Child], after: Sequence[Child]) -> tuple[Child, ...]:
    """Return the newer list of children, with the configurations that only the older one has."""
    read = {child.digest: child.config_digest for child in before}
    if not after:
        return tuple(before)
    return tuple(
        child if child.config_digest else replace(child, config_digest=read.get(child.digest, ""))
        for child in after
    )
