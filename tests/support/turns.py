"""Turns without a database."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class OwnTurns:
    """Turns of the only replica there is, or of one that never gets any."""

    def __init__(self, *, is_free: bool = True) -> None:
        self.is_free = is_free
        self.names: list[str] = []

    async def run(self, name: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do the work, if the turn is free."""
        self.names.append(name)
        return await work() if self.is_free else None
