"""Work that is repeated, such as planning: what fails, and for how long, is told.

    works = Works(process.health, clock)
    works.begin("plan", every_s=0.5)
    works.mark_done("plan")
    works.failed("plan", "TimeoutError: …", every_s=0.5)

A failure now and then is counted and goes by. What has not succeeded for `PERIODS` of its periods,
and for `AT_LEAST_S`, makes the part `work` of the service not ready, with the reason.
"""

from typing import Final

from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.health import Health

PART: Final = "work"
PERIODS: Final = 3
AT_LEAST_S: Final = 60.0


class Works:
    """The repeated work of a process, by name."""

    def __init__(self, health: Health, clock: Clock) -> None:
        self._health = health
        self._clock = clock
        self._failing_since: dict[str, float] = {}
        self._late: dict[str, str] = {}

    def begin(self, work: str, every_s: float) -> None:
        """Say that this will be repeated, and how often: it counts as done now."""
        metrics.work_period.set(every_s, work=work)
        metrics.work_failures.begin(work=work)
        metrics.work_done.set(self._clock.now().timestamp(), work=work)

    def mark_done(self, work: str) -> None:
        """Say that it was done."""
        metrics.work_done.set(self._clock.now().timestamp(), work=work)
        self._failing_since.pop(work, None)
        if self._late.pop(work, None):
            self._tell()

    def failed(self, work: str, error: str, every_s: float) -> None:
        """Say that it failed; it is tried again `every_s` later."""
        metrics.work_failures.add(work=work)
        now = self._clock.monotonic()
        for_s = now - self._failing_since.setdefault(work, now)
        if for_s >= max(AT_LEAST_S, PERIODS * every_s):
            self._late[work] = f"{work} has failed for {for_s:.0f} s: {error}"
            self._tell()

    def _tell(self) -> None:
        if self._late:
            self._health.failed(PART, "; ".join(self._late.values()))
        else:
            self._health.ready(PART)
