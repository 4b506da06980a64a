"""Figures of a fleet for tests."""

from imagedrift_ingest.core.fleet_counts import DatabaseFigures, FleetFigures, Share

FIGURES = FleetFigures(
    counted_at=1_764_000_000.0,
    hosts={"well": 5, "silent": 2, "degraded": 3},
    images={"current": 40, "outdated": 9, "pinned": 1, "local": 2, "missing": 0, "unknown": 3},
    stale=4,
    due={"outdated": 6, "version": 2},
    overdue=1,
    waiting=3,
    excused=2,
    places={"dc1": Share(4, 10), 'dc1/"rack"\n7': Share(1, 3)},
    references={"docker.io/library/nginx:1.27": 4},
    budgets={("docker.io", "anonymous"): Share(37, 100)},
    database=DatabaseFigures(live_rows=700, dead_rows=80, transaction_age=1234),
)
"""Figures of every kind; a place has marks that Prometheus' text form has to quote."""
