"""A cache that is bounded by bytes, in which entries that are used often stay.

Two generations: what is put or found goes into the young one. When that is half of the bound, the
old one is forgotten and the young one takes its place.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values by key, each with its weight in bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_young = most_bytes // 2
        self._young: dict[K, tuple[V, int]] = {}
        self._old: dict[K, tuple[V, int]] = {}
        self._bytes = 0

    def get(self, key: K) -> V | None:
        """Return the value, if there is one."""
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is None:
                return None
            self.put(key, *found)
        return found[0]

    def recent(self, key: K) -> V | None:
        """Return the value, if it is young; changes nothing."""
        found = self._young.get(key)
        return None if found is None else found[0]

    def peek(self, key: K) -> V | None:
        """Return the value, if there is one; changes nothing, so it makes nothing young."""
        found = self._young.get(key) or self._old.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Remember a value. One that is heavier than half of the bound is not."""
        if weight > self._most_young or key in self._young:
            return
        if self._bytes + weight > self._most_young:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[key] = value, weight
        self._bytes += weight
