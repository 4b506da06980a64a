"""The fleet in the metrics of this process."""

from collections.abc import Callable, Mapping

from imagedrift_ingest.core.fleet_counts import FleetFigures
from imagedrift_runtime import metrics
from imagedrift_runtime.metric_kinds import GaugeSet, Series

SHOWN = (
    *(metrics.fleet_counted, metrics.fleet_hosts, metrics.fleet_images, metrics.fleet_stale_images),
    *(metrics.fleet_due_images, metrics.fleet_overdue_images, metrics.fleet_waiting_images),
    *(metrics.fleet_excused_images, metrics.fleet_place_hosts, metrics.fleet_place_outdated_hosts),
    *(metrics.fleet_reference_outdated_hosts, metrics.registry_budget),
    *(metrics.registry_budget_remaining, metrics.database_live_rows, metrics.database_dead_rows),
    metrics.database_transaction_age,
)


class FleetMetrics:
    """Shows the figures of the fleet."""

    @property
    def is_on(self) -> bool:
        """Whether metrics are on."""
        return metrics.fleet_counted.is_on

    def show(self, figures: FleetFigures, holds: Callable[[], bool]) -> None:
        """Show these figures and no others, for as long as `holds` says so."""
        for metric, series in _series(figures).items():
            metric.replace(series, holds)

    def clear(self) -> None:
        """Show none."""
        for metric in SHOWN:
            metric.clear()


def _series(figures: FleetFigures) -> dict[GaugeSet, list[Series]]:
    places, budgets = figures.places, figures.budgets
    return {
        metrics.fleet_counted: _one(figures.counted_at),
        metrics.fleet_hosts: _by_label(figures.hosts),
        metrics.fleet_images: _by_label(figures.images),
        metrics.fleet_stale_images: _one(figures.stale),
        metrics.fleet_due_images: _by_label(figures.due),
        metrics.fleet_overdue_images: _one(figures.overdue),
        metrics.fleet_waiting_images: _one(figures.waiting),
        metrics.fleet_excused_images: _one(figures.excused),
        metrics.fleet_place_hosts: [((name,), each.whole) for name, each in places.items()],
        metrics.fleet_place_outdated_hosts: [((name,), each.part) for name, each in places.items()],
        metrics.fleet_reference_outdated_hosts: _by_label(figures.references),
        metrics.registry_budget: [(name, each.whole) for name, each in budgets.items()],
        metrics.registry_budget_remaining: [(name, each.part) for name, each in budgets.items()],
        metrics.database_live_rows: _one(figures.database.live_rows),
        metrics.database_dead_rows: _one(figures.database.dead_rows),
        metrics.database_transaction_age: _one(figures.database.transaction_age),
    }


def _one(value: float) -> list[Series]:
    return [((), value)]


def _by_label(values: Mapping[str, int]) -> list[Series]:
    return [((name,), value) for name, value in values.items()]
