"""Counters, gauges and histograms: shown from 0 where they are on, and nothing where not."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from imagedrift_runtime import metrics


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """Metrics that are on, in a registry of the test's own."""
    registry = CollectorRegistry()
    metrics.enable(registry)
    yield registry
    metrics.disable()


def test_what_is_counted_is_shown(registry: CollectorRegistry) -> None:
    """Each kind, with its labels."""
    metrics.published.add(outcome="stored")
    metrics.published.add(2, outcome="failed")
    metrics.pending.set(7, stream="S", consumer="c")
    metrics.handling.observe(0.2, stream="S")
    metrics.in_flight.add(3, stream="S")
    metrics.in_flight.add(-1, stream="S")

    shown = generate_latest(registry).decode()
    assert 'imagedrift_messages_published_total{outcome="stored"} 1.0' in shown
    assert 'imagedrift_messages_published_total{outcome="failed"} 2.0' in shown
    assert 'imagedrift_consumer_pending_messages{consumer="c",stream="S"} 7.0' in shown
    assert 'imagedrift_message_handling_seconds_count{stream="S"} 1.0' in shown
    assert 'imagedrift_messages_in_flight{stream="S"} 2.0' in shown


def test_a_counter_begins_with_each_value_that_its_labels_can_have(
    registry: CollectorRegistry,
) -> None:
    """Values that are declared begin at once, the others when the work begins."""
    assert 'imagedrift_questions_total{outcome="failed"} 0.0' in generate_latest(registry).decode()
    assert 'stream="S"' not in generate_latest(registry).decode()
    metrics.handled.begin(stream="S")
    shown = generate_latest(registry).decode()
    for outcome in ("done", "retry", "reject"):
        line = f'imagedrift_messages_handled_total{{outcome="{outcome}",stream="S"}} 0.0'
        assert line in shown


def test_series_that_belong_together_are_replaced_together(registry: CollectorRegistry) -> None:
    """Series that are not among the new ones are shown no more."""
    metrics.fleet_hosts.replace([(("silent",), 3), (("well",), 7)], lambda: True)
    metrics.fleet_hosts.replace([(("well",), 9)], lambda: True)
    shown = generate_latest(registry).decode()
    assert 'imagedrift_fleet_hosts{state="well"} 9.0' in shown
    assert 'state="silent"' not in shown

    metrics.fleet_hosts.clear()
    assert "imagedrift_fleet_hosts{" not in generate_latest(registry).decode()


def test_series_are_shown_for_as_long_as_they_hold(registry: CollectorRegistry) -> None:
    """A process that hangs shows no old values: each scrape asks whether they hold."""
    holding = [True]
    metrics.fleet_stale_images.replace([((), 5)], lambda: holding[0])
    assert "imagedrift_fleet_stale_images 5.0" in generate_latest(registry).decode()
    holding[0] = False
    assert "imagedrift_fleet_stale_images 5" not in generate_latest(registry).decode()


def test_off_nothing_is_counted_and_nothing_fails() -> None:
    """A process without metrics calls the same functions, and they leave no trace."""
    for metric in metrics.DECLARED:
        labels = dict.fromkeys(metric.labels, "x")
        match metric:
            case metrics.Counter() | metrics.Gauge():
                metric.add(1, **labels)
            case metrics.Histogram():
                metric.observe(1, **labels)
            case metrics.GaugeSet():
                metric.replace([(tuple(labels), 1)], lambda: True)
        assert not metric.is_on

    registry = CollectorRegistry()
    metrics.enable(registry)
    counted = [
        sample
        for family in registry.collect()
        for sample in family.samples
        if sample.value and not sample.name.endswith("_created")
    ]
    metrics.disable()
    assert counted == []
