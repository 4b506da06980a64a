"""The fleet in metrics: every figure, and nothing of a process that does not count."""

import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from imagedrift_ingest.adapters.fleet_metrics import SHOWN, FleetMetrics
from imagedrift_runtime import metrics
from support.deploy import ROOT
from support.fleet_figures import FIGURES
from support.programs import require_program

LINES = (
    "imagedrift_fleet_counted_timestamp_seconds 1.764e+09",
    'imagedrift_fleet_hosts{state="silent"} 2.0',
    'imagedrift_fleet_images{verdict="outdated"} 9.0',
    "imagedrift_fleet_stale_images 4.0",
    'imagedrift_fleet_due_images{cause="version"} 2.0',
    "imagedrift_fleet_overdue_images 1.0",
    "imagedrift_fleet_waiting_images 3.0",
    "imagedrift_fleet_excused_images 2.0",
    'imagedrift_fleet_place_hosts{place="dc1"} 10.0',
    'imagedrift_fleet_place_outdated_hosts{place="dc1/\\"rack\\"\\n7"} 1.0',
    'imagedrift_fleet_reference_outdated_hosts{reference="docker.io/library/nginx:1.27"} 4.0',
    'imagedrift_registry_budget_requests{credential="anonymous",registry="docker.io"} 100.0',
    'imagedrift_registry_budget_remaining_requests{credential="anonymous",registry="docker.io"}'
    " 37.0",
    "imagedrift_database_live_rows 700.0",
    "imagedrift_database_dead_rows 80.0",
    "imagedrift_database_transaction_age 1234.0",
)


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """Metrics that are on, in a registry of the test's own."""
    registry = CollectorRegistry()
    metrics.enable(registry)
    yield registry
    metrics.disable()


def exposition(registry: CollectorRegistry) -> str:
    """Return what Prometheus reads."""
    return generate_latest(registry).decode()


def test_every_figure_is_shown(registry: CollectorRegistry) -> None:
    """Each figure of the fleet is a series of its own metric."""
    FleetMetrics().show(FIGURES, lambda: True)
    shown = exposition(registry).splitlines()
    assert [line for line in LINES if line not in shown] == []
    named = {line.partition("{")[0].partition(" ")[0] for line in LINES}
    assert named == {metric.name for metric in SHOWN}


def test_a_process_that_does_not_count_shows_no_figure(registry: CollectorRegistry) -> None:
    """Cleared figures leave no series."""
    FleetMetrics().show(FIGURES, lambda: True)
    FleetMetrics().clear()
    shown = exposition(registry)
    assert all(f"\n{metric.name}" not in shown for metric in SHOWN)


def test_metrics_are_off_unless_they_are_switched_on() -> None:
    """Without metrics no figure needs to be read."""
    assert not FleetMetrics().is_on


def test_promtool_accepts_every_metric(registry: CollectorRegistry) -> None:
    """Prometheus' own tool finds nothing in the names, sentences and units of any metric."""
    FleetMetrics().show(FIGURES, lambda: True)
    for metric in metrics.DECLARED:
        if isinstance(metric, metrics.Counter):
            metric.add(1, **dict.fromkeys(metric.labels, "x"))
        if isinstance(metric, metrics.Gauge):
            metric.set(1, **dict.fromkeys(metric.labels, "x"))
    program = require_program("promtool", "apt-get install --no-install-recommends prometheus")
    checked = subprocess.run(
        [program, "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_every_figure_is_documented() -> None:
    """The operators' page names each metric of the fleet."""
    page = (ROOT / "docs" / "operators.md").read_text()
    assert [metric.name for metric in SHOWN if f"`{metric.name}" not in page] == []
