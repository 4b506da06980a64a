"""The content of a digest, made ready once to be compared with many images.

A tag may have thousands of images in a fleet, and an index two thousand children: to look at each
child for each image would take minutes.
"""

from collections.abc import Sequence

from imagedrift_ingest.core.platform_children import PlatformChildren, platform_of
from imagedrift_schemas.v1 import Child


class DescribedContent:
    """The children of a digest, as a description tells them."""

    def __init__(self, children: Sequence[Child] = ()) -> None:
        self._digests = {child.digest for child in children}
        self._digests |= {child.config_digest for child in children if child.config_digest}
        self._has_children = bool(children)
        self._by_platform = PlatformChildren(children)
        self.has_unread_index = any(child.nested is True for child in children)
        self.has_every_configuration = all(map(_is_read, children))

    def has_any_of(self, digests: set[str]) -> bool:
        """Tell whether one of these is the digest of a child, or of its configuration."""
        return not self._digests.isdisjoint(digests)

    def has_child_for(self, platform: str) -> bool:
        """Tell whether there is a child that a host of this platform could run."""
        wanted = platform_of(platform)
        if wanted is None or wanted.is_unknown:
            return self._has_children
        return self._by_platform.child_for(platform) is not None


def _is_read(child: Child) -> bool:
    """Tell whether a child's configuration is known; a child of no platform is no image."""
    there = platform_of(child.platform)
    return bool(child.config_digest) or (there is not None and there.is_unknown)
