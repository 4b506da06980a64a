"""Metrics: declared in one place, counted only where they are on."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from imagedrift_runtime import metrics

SUFFIXES = {"Counter": "_total", "Histogram": "_seconds"}


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """Metrics that are on, in a registry of the test's own."""
    registry = CollectorRegistry()
    metrics.enable(registry)
    yield registry
    metrics.disable()


@pytest.mark.parametrize("metric", metrics.DECLARED, ids=lambda metric: metric.name)
def test_every_metric_is_named_and_explained(metric: metrics.Metric) -> None:
    """Prometheus' rules for names, and a sentence for who reads them."""
    assert re.fullmatch(r"imagedrift_[a-z_]+", metric.name)
    assert metric.name.endswith(SUFFIXES.get(metric.kind, ""))
    assert metric.text[0].isupper() or metric.text[0].isdigit()
    assert metric.text.endswith(".")


def test_no_two_metrics_have_one_name() -> None:
    """One name means one thing."""
    names = [metric.name for metric in metrics.DECLARED]

    assert len(names) == len(set(names))


BOUNDED = {
    "imagedrift_fleet_reference_outdated_hosts": "reference",
    "imagedrift_fleet_place_hosts": "place",
    "imagedrift_fleet_place_outdated_hosts": "place",
    "imagedrift_registry_budget_requests": "registry",
    "imagedrift_registry_budget_remaining_requests": "registry",
}
"""Labels whose values come from outside: a statement says how many there are at most."""


def test_labels_have_few_values() -> None:
    """No label is a host or a digest; one from outside has a bounded number of values."""
    labels = {label for metric in metrics.DECLARED for label in metric.labels}
    assert not labels & {"host", "site", "image", "subject", "repository", "tag", "digest"}
    assert not labels & {"version"} - set(metrics.build.labels)
    for label in ("reference", "place", "registry"):
        having = {metric.name for metric in metrics.DECLARED if label in metric.labels}
        assert having == {name for name, bounded in BOUNDED.items() if bounded == label}


BEGUN = {"stream", "turn", "work"}
"""Labels whose values are told by whoever begins to work."""

UNFORESEEN = {"kind", "method", "status", "reason", "source"}
"""Labels whose values are found out: no alert is on their increase."""


@pytest.mark.parametrize(
    "metric",
    [each for each in metrics.DECLARED if isinstance(each, metrics.Counter)],
    ids=lambda metric: metric.name,
)
def test_a_counter_is_there_before_it_counts(
    metric: metrics.Counter, registry: CollectorRegistry
) -> None:
    """At 0, so that an alert on its increase sees the first one after a restart, too."""
    if not set(metric.labels) & UNFORESEEN:
        metric.begin(**{label: "x" for label in metric.labels if label in BEGUN})
        assert f"\n{metric.name}" in generate_latest(registry).decode()


def test_off_the_library_is_not_even_loaded() -> None:
    """An agent is small: without metrics neither their library nor aiohttp or rich is loaded."""
    program = (
        "import sys, imagedrift_runtime.process, imagedrift_runtime.nats.consumer\n"
        "print([name for name in ('prometheus_client', 'aiohttp', 'rich', 'httpx')"
        " if name in sys.modules])"
    )

    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert shown == "[]\n"
