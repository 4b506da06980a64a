"""Work that a service repeats until it is asked to stop.

    periodic = Periodic(
        process.works, process.stopping, clock, postponed_by=(DatabaseUnavailable,)
    )
    tasks.create_task(periodic.repeat("plan", plan, every_s=0.5, sooner=plan_now))

Rules:
- A period is the pause between the end of one run and the start of the next: runs never overlap.
- Each pause is drawn anew, up to a tenth shorter or longer: replicas that start together spread.
- An event `sooner` ends a pause early. The work clears it before it reads the news.
- A failure is logged, counted and told to health by `works`; the loop never dies of it. After one
  the whole pause passes even if `sooner` is set, so that work which fails at once does not spin.
- `stopping` ends a pause at once. A run that has begun is finished first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.waiting import wait_for_any
from imagedrift_runtime.works import Works

log = get_logger()

SPREAD: Final = 0.1
"""The share of a period by which a pause may be shorter or longer."""


def pause_of(every_s: float, chance: float) -> float:
    """Compute one pause of a period; `chance` is from 0 to 1."""
    return every_s * (1 - SPREAD + 2 * SPREAD * chance)


class Periodic:
    """Repeats the work of one process. Errors of the kinds `postponed_by` are no defects."""

    def __init__(
        self,
        works: Works,
        stopping: asyncio.Event,
        clock: Clock,
        *,
        postponed_by: tuple[type[Exception], ...],
    ) -> None:
        self._works = works
        self._stopping = stopping
        self._clock = clock
        self._postponed_by = postponed_by

    async def repeat(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        every_s: float,
        *,
        sooner: asyncio.Event | None = None,
        first_after_s: float = 0.0,
    ) -> None:
        """Run `work` now or after `first_after_s`, then once a period.

        `name` labels its metrics and its log lines.
        """
        self._works.begin(name, every_s)
        if first_after_s:
            await wait_for_any(first_after_s, self._stopping)
        while not self._stopping.is_set():
            has_succeeded = await self._run(name, work, every_s)
            events = [self._stopping, *([sooner] if sooner and has_succeeded else [])]
            await wait_for_any(pause_of(every_s, self._clock.random()), *events)

    async def _run(self, name: str, work: Callable[[], Awaitable[object]], every_s: float) -> bool:
        """Run `work` once, and tell whether it succeeded."""
        try:
            await work()
        except self._postponed_by as error:
            log.warning("work.postponed", work=name, error=str(error))
            self._works.failed(name, str(error), every_s)
            return False
        except Exception as error:
            log.exception("work.failed", work=name)
            self._works.failed(name, f"{type(error).__name__}: {error}", every_s)
            return False
        self._works.mark_done(name)
        return True
