"""A database whose transactions now and then are lost, or wait."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.health import Health


class RolledBack(Exception):
    """Thrown after everything was written."""


class FlakyDatabase(Database):
    """Rolls back one transaction in ten after its work, and pauses now and then."""

    def __init__(self, pool: Any, draw: random.Random) -> None:
        super().__init__(pool, Health(), SystemClock())
        self._draw = draw

    async def transaction(self, work: Any, /, *arguments: Any, **named: Any) -> Any:
        """Run, and sometimes throw the work away before running it again."""

        async def wasted(connection: asyncpg.Connection) -> None:
            await work(connection, *arguments, **named)
            await asyncio.sleep(self._draw.random() * 0.01)
            raise RolledBack

        if self._draw.random() < 0.1:
            with pytest.raises(RolledBack):
                await super().transaction(wasted)
        if self._draw.random() < 0.1:
            await asyncio.sleep(self._draw.random() * 0.05)
        return await super().transaction(work, *arguments, **named)
