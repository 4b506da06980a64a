"""A map that strangers fill: bounded by number and by bytes, in two shares.

Anybody who can name an image can make up registries by the hundred thousand. So what is kept of a
registry that has never answered (`is_proven=False`) has a share of its own, and never drives out
what is kept of one that has.

- In each share the entry used longest ago goes first.
- One that is held (a block that still lasts, a request under way) is passed over, `MOST_LOOKS`
  times in a row at most: the bounds are kept, whatever is held.
- An entry may grow while it is kept: whoever changed it puts it again, with its size.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from msgspec import Struct

K = TypeVar("K")
V = TypeVar("V")
MOST_LOOKS: Final = 64


class Bound(Struct, frozen=True):
    """How much is kept: entries, and bytes of their keys and values together."""

    entries: int
    size: int


class BoundedMap(Generic[K, V]):
    """A map of facts about strangers."""

    def __init__(
        self,
        proven: Bound,
        unproven: Bound | None = None,
        is_held: Callable[[V], bool] = lambda _: False,
    ) -> None:
        self._shares = (_Share[K, V](unproven or proven, is_held), _Share[K, V](proven, is_held))

    def get(self, key: K) -> V | None:
        """Return a value, which counts as a use of it."""
        return next((v for v in (share.get(key) for share in self._shares) if v is not None), None)

    def put(self, key: K, value: V, size: int, *, is_proven: bool = True) -> None:
        """Keep a value of about so many bytes, its key included, in place of the one before."""
        self._shares[not is_proven].pop(key)
        self._shares[is_proven].put(key, value, size)

    def pop(self, key: K) -> V | None:
        """Forget a value, and return it."""
        return next((v for v in [share.pop(key) for share in self._shares] if v is not None), None)

    def clear(self) -> None:
        """Forget everything."""
        for share in self._shares:
            share.clear()

    def __len__(self) -> int:
        return sum(len(share) for share in self._shares)

    def __contains__(self, key: object) -> bool:
        return any(key in share for share in self._shares)

    def values(self) -> Iterator[V]:
        """Return every value."""
        for share in self._shares:
            yield from share.values()

    @property
    def size(self) -> int:
        """How many bytes are kept, as they were told."""
        return sum(share.size for share in self._shares)


class _Share(Generic[K, V]):
    def __init__(self, bound: Bound, is_held: Callable[[V], bool]) -> None:
        self._bound = bound
        self._is_held = is_held
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size = 0

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        self.pop(key)
        if size > self._bound.size:
            return
        self._entries[key] = (value, size)
        self.size += size
        while len(self._entries) > self._bound.entries or self.size > self._bound.size:
            self.pop(self._oldest())

    def pop(self, key: K) -> V | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self.size -= entry[1]
        return entry[0]

    def clear(self) -> None:
        self._entries.clear()
        self.size = 0

    def values(self) -> list[V]:
        return [value for value, _ in self._entries.values()]

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def _oldest(self) -> K:
        """Return the key that goes first, which may be the new one, if all before it are held."""
        for _ in range(min(MOST_LOOKS, len(self._entries))):
            key, (value, _size) = next(iter(self._entries.items()))
            if not self._is_held(value):
                return key
            self._entries.move_to_end(key)
        return next(iter(self._entries))
