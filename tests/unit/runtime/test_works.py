"""Work that is repeated and fails is counted, and told when it lasts."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from imagedrift_runtime import metrics
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.health import Health
from imagedrift_runtime.works import AT_LEAST_S, PART, PERIODS, Works
from support.virtual_time import StillClock


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """Metrics that are on, in a registry of the test's own."""
    registry = CollectorRegistry()
    metrics.enable(registry)
    yield registry
    metrics.disable()


def test_work_that_fails_now_and_then_leaves_the_service_ready() -> None:
    """A success in between begins anew, however long ago the first failure was."""
    clock, health = StillClock(), Health()
    works = Works(health, clock)
    for _ in range(10):
        clock.at += AT_LEAST_S / 2
        works.failed("plan", "away", every_s=0.5)
        works.mark_done("plan")
    assert health.is_ready


@pytest.mark.parametrize("every_s", [0.5, 3600.0])
def test_work_that_fails_for_some_periods_makes_the_service_not_ready_until_it_is_done(
    every_s: float,
) -> None:
    """With the work and the reason; other work that is done does not hide it."""
    clock, health = StillClock(), Health()
    works = Works(health, clock)
    works.failed("tidy", "boom", every_s)
    clock.at = max(AT_LEAST_S, PERIODS * every_s) - 1
    works.failed("tidy", "boom", every_s)
    assert health.is_ready
    clock.at += 1
    works.failed("tidy", "boom", every_s)
    works.mark_done("plan")
    part = health.parts()[PART]
    assert not part.ready
    assert part.reason == f"tidy has failed for {clock.at:.0f} s: boom"
    works.mark_done("tidy")
    assert health.is_ready


def test_failures_are_counted_from_0_and_the_last_success_is_told(
    registry: CollectorRegistry,
) -> None:
    """Both are there before anything failed or was done."""
    works = Works(Health(), SystemClock())

    def failures() -> float | None:
        return registry.get_sample_value("imagedrift_work_failures_total", {"work": "tidy"})

    def success() -> float | None:
        return registry.get_sample_value(
            "imagedrift_work_last_success_timestamp_seconds", {"work": "tidy"}
        )

    assert (failures(), success()) == (None, None)
    works.begin("tidy", 3600)
    assert failures() == 0
    assert registry.get_sample_value("imagedrift_work_period_seconds", {"work": "tidy"}) == 3600
    begun = success()
    assert begun
    works.failed("tidy", "boom", 1)
    assert (failures(), success()) == (1, begun)
    works.mark_done("tidy")
    assert (success() or 0) >= begun
