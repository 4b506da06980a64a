"""Maintenance: what is done now and then, by one replica at a time.

Rules:
- Each step is for itself: one that fails is logged, and stops no other.
- A step removes a bounded number of rows at a time, each time in a transaction of its own, until
  nothing is left. A run ends after a while all the same, and the next one goes on.
- Nothing is removed while the database's clock and ours differ by an hour: one of them is wrong.
- Work is done in turns, so that replicas do not do it twice.
- Every table has its retention, or a reason why it is bounded: see docs/operators.md. A test knows
  the tables.
"""

from datetime import datetime
from typing import Final, Protocol

from imagedrift_ingest.core.retention import Retention, RetentionStep, steps
from imagedrift_ingest.errors import ServerUnavailable
from imagedrift_ingest.turns import Turns
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.clock_agreement import ClocksDisagree, require_agreement
from imagedrift_runtime.logs import get_logger

log = get_logger()

STEP_WITHIN_S: Final = 300.0
"""How long a step repeats itself in one run. What is left is done by the next."""
TURN_S: Final = 10.0
"""A turn is given back and taken again after so long: no replica holds one for long."""


class StepsFailed(Exception):
    """Some steps of maintenance failed; the message names them, and the log says why."""


class MaintenanceStore(Protocol):
    """The tables that are maintained. Every method returns how many rows it changed."""

    async def moment(self) -> datetime:
        """Tell the database's time."""

    async def run_step(self, step: RetentionStep) -> int:
        """Run a step once; 0: nothing is left."""

    async def add_up_usage(self) -> int:
        """Add up how many hosts have each image."""

    async def analyze_grown(self) -> int:
        """Have statements planned anew that use a table which has doubled."""

    async def count_hosts(self) -> int:
        """Count the hosts of every reference, for the planner."""

    async def take_trend(self) -> int:
        """Keep the fleet summary of these five minutes."""


class Maintain:
    """The work of maintenance. Every method returns how many rows it changed."""

    def __init__(
        self, store: MaintenanceStore, turns: Turns, retention: Retention, clock: Clock
    ) -> None:
        self._store = store
        self._turns = turns
        self._retention = retention
        self._clock = clock

    async def add_up_usage(self) -> int:
        """Add up how many hosts have each image."""
        return await self._turns.run("add_up_usage", self._store.add_up_usage) or 0

    async def analyze_grown(self) -> int:
        """Have statements planned anew that use a table which has doubled."""
        return await self._turns.run("analyze_grown", self._store.analyze_grown) or 0

    async def count_hosts(self) -> int:
        """Count the hosts of every reference, for the planner."""
        return await self._turns.run("count_hosts", self._store.count_hosts) or 0

    async def take_trend(self) -> int:
        """Keep the fleet summary of these five minutes."""
        return await self._turns.run("take_trend", self._store.take_trend) or 0

    async def tidy(self, at: datetime | None = None) -> dict[str, int]:
        """Make months ahead, retire hosts, and drop rows past their retention, step by step.

        Without `at` the database's time is taken. Raises `StepsFailed` when some step failed, after
        all the others, and when that time is not ours.
        """
        at = at or await self._moment()
        done: dict[str, int] = {}
        failed: list[str] = []
        for step in steps(self._retention, at):
            done[step.name] = 0
            try:
                await self._repeat(step, done)
            except Exception as error:
                log.exception("maintenance.failed", step=step.name)
                failed.append(f"{step.name} ({_reason(error)})")
        if failed:
            raise StepsFailed(f"not done: {', '.join(failed)}")
        return done

    async def _moment(self) -> datetime:
        """Tell the database's time, where this machine's agrees. Raises `StepsFailed`."""
        at = await self._store.moment()
        try:
            require_agreement(at, self._clock.now())
        except ClocksDisagree as error:
            raise StepsFailed(f"not done: {error}") from error
        return at

    async def _repeat(self, step: RetentionStep, done: dict[str, int]) -> None:
        """Run a step until nothing is left, another replica does it, or the time is over."""
        until = self._clock.monotonic() + STEP_WITHIN_S
        run = _StepRun(self._store, step, done, self._clock)
        while await self._turns.run(f"upkeep.{step.name}", run.for_a_turn):
            log.info("maintenance.continued", step=step.name, done=done[step.name])
            if self._clock.monotonic() > until:
                log.warning("maintenance.left_some", step=step.name, done=done[step.name])
                return


def _reason(error: Exception) -> str:
    """Tell why a step failed: in the words of our own error, else by its type alone."""
    return str(error) if isinstance(error, ServerUnavailable) else type(error).__name__


class _StepRun:
    """One step, run for as long as a turn may last."""

    def __init__(
        self, store: MaintenanceStore, step: RetentionStep, done: dict[str, int], clock: Clock
    ) -> None:
        self._store = store
        self._step = step
        self._done = done
        self._clock = clock

    async def for_a_turn(self) -> int:
        """Run the step again and again, and return the last count: 0 when nothing is left."""
        turn_ends = self._clock.monotonic() + TURN_S
        count = 1
        while count and self._clock.monotonic() < turn_ends:
            count = await self._store.run_step(self._step)
            self._done[self._step.name] += count
        return count
