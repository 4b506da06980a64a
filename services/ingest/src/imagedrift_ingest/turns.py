"""Turns: work that one replica does at a time, without a leader that can be lost."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Turns(Protocol):
    """The turns of one process."""

    async def run(self, name: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do `work` in its turn, and return its result; None when another replica does it."""
