"""The content of a digest, made ready once to be compared with many images.

A tag may have thousands of images in a fleet, and an index two thousand children: to look at each
child for each image would take minutes.
"""

from collections.abc import Sequence
from functools import lru_cache

from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.v1 import Child


class DescribedContent:
    """The children of a digest, as a description tells them."""

    def __init__(self, children: Sequence[Child] = ()) -> None:
        offered = [(child, platform_of(child.platform)) for child in children]
        self._digests = {child.digest for child in children}
        self._digests |= {child.config_digest for child in children if child.config_digest}
        self._has_children = bool(children)
        self._names_all_platforms = all(there is not None for _, there in offered)
        self.has_unread_index = any(child.nested is True for child in children)
        self.has_every_configuration = all(_is_read(*each) for each in offered)
        self._kin: dict[tuple[str, str], list[Platform]] = {}
        for _, there in offered:
            if there and not there.is_unknown:
                self._kin.setdefault((there.os, there.architecture), []).append(there)
        self._runs: dict[str, bool] = {}

    def has_any_of(self, digests: set[str]) -> bool:
        """Tell whether one of these is the digest of a child, or of its configuration."""
        return not self._digests.isdisjoint(digests)

    def has_child_for(self, platform: str) -> bool:
        """Tell whether there is a child that a host of this platform could run."""
        if platform not in self._runs:
            self._runs[platform] = self._has_child_for(platform_of(platform))
        return self._runs[platform]

    def _has_child_for(self, wanted: Platform | None) -> bool:
        if wanted is None or wanted.is_unknown or not self._names_all_platforms:
            return self._has_children
        return best(wanted, self._kin.get((wanted.os, wanted.architecture), ())) is not None


@lru_cache(maxsize=1024)  # a fleet has few
def platform_of(text: str) -> Platform | None:
    """Read a platform; None where it is none."""
    try:
        return Platform.parse(text)
    except BadPlatform:
        return None


def _is_read(child: Child, there: Platform | None) -> bool:
    """Tell whether a child's configuration is known; a child of no platform is no image."""
    return bool(child.config_digest) or (there is not None and there.is_unknown)
