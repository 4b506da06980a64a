"""promtool runs a case for each alert: it fires on its fault, and not before."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.deploy import DEPLOY, read_yaml
from support.programs import require_program

RULES_FILE = DEPLOY / "prometheus" / "rules.yml"
RULES = [rule["alert"] for group in read_yaml(RULES_FILE)["groups"] for rule in group["rules"]]
# What is shown each minute, when the alert is silent still, and when it fires. A counter that is
# there at 0 and counts once, as after a restart, is `0x5 1x100`.
CASES: dict[str, tuple[str, str, str, str]] = {
    "ImagedriftDown": ('up{job="imagedrift"}', "1x5 0x60", "5m", "12m"),
    "ImagedriftNotReady": ('imagedrift_part_ready{part="nats"}', "1x5 0x60", "5m", "12m"),
    "ImagedriftWorkFails": (
        'imagedrift_work_last_success_timestamp_seconds{work="plan"}',
        "0+60x5 300x60",
        "9m",
        "15m",
    ),
    "ImagedriftUpkeepFails": (
        'imagedrift_work_failures_total{work="tidy"}',
        "0x5 1x600",
        "5m",
        "7m",
    ),
    "ImagedriftUpkeepLate": (
        'imagedrift_work_last_success_timestamp_seconds{work="tidy"}',
        "0x600",
        "239m",
        "250m",
    ),
    "ImagedriftEventLoopLate": ("imagedrift_event_loop_lag_seconds", "0x5 3x60", "5m", "12m"),
    "ImagedriftInventoriesWait": (
        'imagedrift_consumer_pending_messages{stream="DRIFT_INVENTORY"}',
        "5x5 2000x60",
        "5m",
        "17m",
    ),
    "ImagedriftAnswersWait": (
        'imagedrift_consumer_pending_messages{stream="KV_drift_digests"}',
        "5x5 20000x60",
        "5m",
        "17m",
    ),
    "ImagedriftDatabaseFails": (
        'imagedrift_database_failures_total{kind="OSError"}',
        "0x5 0+60x60",
        "5m",
        "17m",
    ),
    "ImagedriftRowsNotVacuumed": ("imagedrift_database_dead_rows", "200x5 200000x60", "5m", "42m"),
    "ImagedriftTransactionsNotFrozen": (
        "imagedrift_database_transaction_age",
        "200000000x5 1500000000x60",
        "5m",
        "42m",
    ),
    "ImagedriftNobodyAsks": (
        'imagedrift_turn_last_done_timestamp_seconds{turn="describe"}',
        "0+60x5 300x60",
        "6m",
        "10m",
    ),
    "ImagedriftNobodyAnnounces": (
        'imagedrift_turn_last_done_timestamp_seconds{turn="announce"}',
        "0+60x5 300x60",
        "6m",
        "10m",
    ),
    "ImagedriftTurnsFail": (
        'imagedrift_turn_failures_total{turn="plan"}',
        "0x5 0+2x60",
        "5m",
        "15m",
    ),
    "ImagedriftLaneUnread": ("imagedrift_lanes_unread", "0x5 1x60", "5m", "17m"),
    "ImagedriftRegistriesWrong": ("imagedrift_registries_faults", "0x5 2x60", "5m", "12m"),
    "ImagedriftReadsAgain": (
        'imagedrift_streams_read_again_total{stream="S"}',
        "0x5 1x100",
        "5m",
        "7m",
    ),
    "ImagedriftFetchFails": (
        'imagedrift_fetch_failures_total{stream="S"}',
        "0x5 0+60x60",
        "5m",
        "17m",
    ),
    "ImagedriftPublishFails": (
        'imagedrift_messages_published_total{outcome="failed"}',
        "0x5 0+60x60",
        "5m",
        "17m",
    ),
    "ImagedriftReconnects": (
        'imagedrift_nats_reconnects_total{how="replaced"}',
        "0x5 0+1x60",
        "5m",
        "14m",
    ),
    "ImagedriftMessagesRefused": (
        'imagedrift_messages_handled_total{stream="S",outcome="reject"}',
        "0x5 1x100",
        "5m",
        "7m",
    ),
    "ImagedriftHeartbeatsRefused": (
        'imagedrift_heartbeats_refused_total{reason="malformed"}',
        "0x5 1x100",
        "5m",
        "7m",
    ),
    "ImagedriftStreamWentBack": (
        'imagedrift_sequences_went_back_total{stream="S"}',
        "0x5 1x100",
        "5m",
        "7m",
    ),
    "ImagedriftImagesLeftOut": (
        'imagedrift_images_left_out_total{reason="over_quota"}',
        "0x5 1x100",
        "5m",
        "7m",
    ),
    "ImagedriftQuestionsFail": (
        'imagedrift_questions_total{outcome="failed"}',
        "0x5 0+60x60",
        "5m",
        "17m",
    ),
    "ImagedriftEngineUnseen": (
        'imagedrift_looks_total{outcome="failed"}',
        "0x5 0+1x60",
        "5m",
        "25m",
    ),
    "ImagedriftNobodyCounts": (
        "imagedrift_fleet_counted_timestamp_seconds",
        "0+60x5 _x60",
        "9m",
        "25m",
    ),
    "ImagedriftHostsSilent": ('imagedrift_fleet_hosts{state="silent"}', "5x5 6x60", "5m", "25m"),
    "ImagedriftHostsDegraded": (
        'imagedrift_fleet_hosts{state="degraded"}',
        "5x5 6x60",
        "5m",
        "25m",
    ),
    "ImagedriftVerdictsStale": ("imagedrift_fleet_stale_images", "10x5 11x100", "60m", "70m"),
    "ImagedriftImagesOverdue": ("imagedrift_fleet_overdue_images", "0x5 1x100", "60m", "70m"),
    "ImagedriftBudgetLow": (
        'imagedrift_registry_budget_remaining_requests{registry="r",credential="c"}',
        "10x5 9x60",
        "5m",
        "25m",
    ),
    "ImagedriftRouteFails": (
        'imagedrift_route_failing_messages{route="ops"}',
        "0x5 1x60",
        "5m",
        "22m",
    ),
    "ImagedriftRoutesWrong": ("imagedrift_routes_faults", "0x5 2x60", "5m", "12m"),
}
BESIDE: dict[str, tuple[str, str]] = {
    "ImagedriftRowsNotVacuumed": ("imagedrift_database_live_rows", "5000x100"),
    "ImagedriftWorkFails": ('imagedrift_work_period_seconds{work="plan"}', "0.5x100"),
    "ImagedriftHostsSilent": ('imagedrift_fleet_hosts{state="well"}', "95x100"),
    "ImagedriftHostsDegraded": ('imagedrift_fleet_hosts{state="well"}', "95x100"),
    "ImagedriftVerdictsStale": ('imagedrift_fleet_images{verdict="current"}', "100x200"),
    "ImagedriftBudgetLow": (
        'imagedrift_registry_budget_requests{registry="r",credential="c"}',
        "100x100",
    ),
}
"""What else is shown, where an alert compares two metrics."""


def promtool() -> str:
    """Return the path of Prometheus' own tool."""
    return str(require_program("promtool", "apt-get install --no-install-recommends prometheus"))


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_has_a_case(alert: str) -> None:
    """Every alert has a case in which it fires."""
    assert alert in CASES


def test_the_rules_are_right() -> None:
    """Prometheus' own tool accepts the rules."""
    check = [promtool(), "check", "rules", str(RULES_FILE)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", [alert for alert in RULES if alert in CASES])
def test_an_alert_fires_on_what_it_is_for(alert: str, tmp_path: Path) -> None:
    """An alert is silent without its fault and fires with it, and the check can fail."""
    series, values, silent_at, fires_at = CASES[alert]
    assert failures(tmp_path, series, values, {silent_at: [], fires_at: [alert]}) == ""
    assert alert in failures(tmp_path, series, values, {fires_at: []}, of=alert)


def test_work_that_is_repeated_seldom_is_late_by_its_own_period(tmp_path: Path) -> None:
    """Work of each hour is not late within the hour, and after several it is."""
    done = 'imagedrift_work_last_success_timestamp_seconds{work="prune"}'
    hourly = ('imagedrift_work_period_seconds{work="prune"}', "3600x600")
    expected = {"60m": [], "180m": [], "200m": ["ImagedriftWorkFails"]}

    assert failures(tmp_path, done, "0x600", expected, "ImagedriftWorkFails", hourly) == ""


def failures(
    folder: Path,
    series: str,
    values: str,
    expected: dict[str, list[str]],
    of: str = "",
    other: tuple[str, str] | None = None,
) -> str:
    """Return promtool's objections; none when the alerts fire as expected."""
    name = of or next(alert for alerts in expected.values() for alert in alerts)
    shown = series if "instance=" in series else _with_instance(series)
    beside = [
        (_with_instance(each), has) for each, has in filter(None, [other or BESIDE.get(name)])
    ]
    tests: list[dict[str, Any]] = [
        {
            "interval": "1m",
            "input_series": [
                {"series": each, "values": has} for each, has in [(shown, values), *beside]
            ],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
                    "eval_time": at,
                    "exp_samples": [{"labels": "{}", "value": len(alerts)}],
                }
                for at, alerts in expected.items()
            ],
        }
    ]
    file = folder / "case.yml"
    file.write_text(
        yaml.safe_dump(
            {"rule_files": [str(RULES_FILE)], "evaluation_interval": "1m", "tests": tests}
        )
    )
    run = [promtool(), "test", "rules", str(file)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _with_instance(series: str) -> str:
    name, _, labels = series.partition("{")
    return f'{name}{{instance="one:9000"{"," if labels else ""}{labels or "}"}'
