"""Turns in PostgreSQL: what one process does at a time, without a leader that can be lost.

Rules:
- A turn is a row with an end. It is taken, and given back, each in a short transaction: nothing is
  locked while the work is done, and only who may write `fleet.turns` can keep others from it.
- A process that lives renews its turn while it works. One that dies keeps it until its end, which
  is soon. One that cannot renew it gives up its work before that: two never work in one turn.
- Work that lasts too long is given up, too: it hangs.
- Every process shows from the row when the work was last done, by whichever process; 0: never. One
  alert on the youngest moment then tells that no process did it for too long.
- A process whose work fails for a minute, while no other does it, is not ready and says why.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.health import Health

T = TypeVar("T")

SQL = load("turns")
LEASE_S: Final = 12.0
"""So long a turn outlives its process: longer than a busy database takes to renew one."""
LONGEST_S: Final = 24.0
"""Of work in a turn."""
RENEWED_AFTER: Final = 0.25
"""The part of a lease after which it is renewed."""
WORKS_FOR: Final = 0.8
"""The part of a lease that is worked in; the rest is for ending."""
UNREADY_AFTER_S: Final = 60.0
TURN_CONNECTIONS: Final = 2
"""Of a pool, at least: a turn is renewed while a statement of its work runs."""


class TurnTable:
    """Work by name, done by one process at a time.

    turns = TurnTable(database, health, clock)
    result = await turns.run("plan", work)  # None: another process does it
    """

    def __init__(
        self,
        database: Database,
        health: Health,
        clock: Clock,
        lease_s: float = LEASE_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._database = database
        self._health = health
        self._clock = clock
        self._lease_s = lease_s
        self._longest_s = longest_s
        self._failing_since: dict[str, float] = {}

    async def run(self, name: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do `work` in its turn, and return its result; None when another process does it.

        Raises what `work` raises, and `DatabaseUnavailable` when it is given up.
        """
        holder = uuid.uuid4()
        metrics.turn_failures.begin(turn=name)
        began = asyncio.get_running_loop().time()
        try:
            # Our clock starts before the database's does, so that it ends before that.
            async with (
                asyncio.timeout(self._longest_s) as longest,
                asyncio.timeout(self._lease_s * WORKS_FOR) as lease,
            ):
                if not await self._take(name, holder):
                    self._works(name)
                    return None
                async with self._renewing(name, holder, lease, began):
                    result = await work()
        except Exception as error:
            self._failed(name, error)
            with suppress(DatabaseUnavailable):
                await self._release(name, holder, is_done=False)
            if isinstance(error, TimeoutError) and longest.expired():
                raise DatabaseUnavailable(f"{name}: not done in {self._longest_s:g} s") from error
            if isinstance(error, TimeoutError) and lease.expired():
                raise DatabaseUnavailable(f"{name}: its turn could not be kept") from error
            raise
        await self._release(name, holder, is_done=True)
        self._works(name)
        return result

    def _failed(self, name: str, error: Exception) -> None:
        """Count a failure, and be ready no more when work fails for long, without a success."""
        metrics.turn_failures.add(turn=name)
        now = self._clock.monotonic()
        since = self._failing_since.setdefault(name, now)
        if now - since >= UNREADY_AFTER_S:
            self._health.failed(name, f"it fails: {type(error).__name__}: {error}")

    def _works(self, name: str) -> None:
        """Note that the work is done, by whichever process."""
        if self._failing_since.pop(name, None) is not None:
            self._health.ready(name)

    async def _take(self, name: str, holder: uuid.UUID) -> bool:
        [row] = await self._database.fetch(SQL["take"], name, holder, self._lease_s)
        _show_done_at(name, row)
        return bool(row["taken"])

    @asynccontextmanager
    async def _renewing(
        self, name: str, holder: uuid.UUID, lease: asyncio.Timeout, began: float
    ) -> AsyncIterator[None]:
        """Renew a turn, and with it the time limit of its work, for the length of the context."""
        renewing = asyncio.create_task(self._renew(name, holder, lease, began))
        try:
            yield
        finally:
            renewing.cancel()

    async def _renew(
        self, name: str, holder: uuid.UUID, lease: asyncio.Timeout, began: float
    ) -> None:
        """Renew a turn for ever; `began` is when it was asked for."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(began + self._lease_s * RENEWED_AFTER - loop.time())
            began = loop.time()
            with suppress(DatabaseUnavailable):  # tried again, until the limit
                is_ours = await self._database.fetch(SQL["renew"], name, holder, self._lease_s)
                if lease.expired():
                    return
                lease.reschedule(began + self._lease_s * WORKS_FOR if is_ours else began)

    async def _release(self, name: str, holder: uuid.UUID, *, is_done: bool) -> None:
        for row in await self._database.fetch(SQL["release"], name, holder, is_done):
            _show_done_at(name, row)


def _show_done_at(name: str, row: asyncpg.Record) -> None:
    metrics.turn_done.set(row["done_at"].timestamp() if row["done_at"] else 0, turn=name)
