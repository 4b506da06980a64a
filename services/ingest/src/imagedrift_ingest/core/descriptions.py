"""The content of a digest, described in parts: a part that was read is true for ever."""

from collections.abc import Sequence

from msgspec import UNSET
from msgspec.structs import replace

from imagedrift_schemas.v1 import Child


def merged(before: Sequence[Child], after: Sequence[Child]) -> tuple[Child, ...]:
    """Return the newer list of children, with the facts that only the older one has."""
    read = {child.digest: child for child in before}
    if not after:
        return tuple(before)
    return tuple(_joined(child, read.get(child.digest)) for child in after)


def _joined(child: Child, earlier: Child | None) -> Child:
    """Add to a child the facts that only the older list has of it."""
    if earlier is None:
        return child
    facts = earlier.facts if child.facts is UNSET else child.facts
    config_digest = child.config_digest or earlier.config_digest
    return replace(child, config_digest=config_digest, facts=facts)
