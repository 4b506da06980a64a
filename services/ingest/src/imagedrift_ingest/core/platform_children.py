"""The children of a digest by platform: which of them a host would run.

Hosts have few platforms, or made-up ones, and an index may have two thousand children. So a child
is chosen once for each platform, among those of its system and architecture.
"""

from collections.abc import Sequence
from functools import lru_cache

from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.v1 import Child


class PlatformChildren:
    """The children of a digest, made ready to be chosen for many hosts."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._unnamed: Child | None = None
        self._kin: dict[tuple[str, str], list[tuple[Child, Platform]]] = {}
        for child in children:
            there = platform_of(child.platform)
            if there is None:
                self._unnamed = self._unnamed or child
            elif not there.is_unknown:
                kin = self._kin.setdefault((there.os, there.architecture), [])
                kin.append((child, there))
        self._chosen: dict[str, Child | None] = {}

    def child_for(self, platform: str) -> Child | None:
        """Choose the child that a host runs; where none fits, the first one without a platform."""
        if platform not in self._chosen:
            self._chosen[platform] = self._choose(platform_of(platform))
        return self._chosen[platform]

    def _choose(self, wanted: Platform | None) -> Child | None:
        if wanted is None:
            return self._unnamed
        kin = self._kin.get((wanted.os, wanted.architecture), [])
        chosen = best(wanted, [there for _, there in kin])
        return self._unnamed if chosen is None else kin[chosen][0]


@lru_cache(maxsize=1024)  # a fleet has few
def platform_of(text: str) -> Platform | None:
    """Read a platform; None where it is none."""
    try:
        return Platform.parse(text)
    except BadPlatform:
        return None
