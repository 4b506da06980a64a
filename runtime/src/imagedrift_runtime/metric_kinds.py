"""Counters, gauges and histograms that count nothing until they are enabled.

A process whose metrics are off never loads prometheus_client.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

PREFIX = "imagedrift_"
Series = tuple[tuple[str, ...], float]
"""The values of a metric's labels, and its own."""


class Metric:
    """One metric: its name, its sentence and its labels."""

    kind = ""

    def __init__(self, name: str, text: str, *labels: str, **options: Any) -> None:
        self.name = PREFIX + name
        self.text = text
        self.labels = labels
        self._options = options
        self._real: Any = None
        DECLARED.append(self)

    def enable(self, registry: "CollectorRegistry") -> None:
        """Begin to count, in `registry`."""
        import prometheus_client  # noqa: PLC0415 - only where metrics are on

        make = getattr(prometheus_client, self.kind)
        self._real = make(self.name, self.text, self.labels, registry=registry, **self._options)

    def disable(self) -> None:
        """Count no more."""
        self._real = None

    @property
    def is_on(self) -> bool:
        """Tell whether anything is counted."""
        return self._real is not None

    def _of(self, labels: dict[str, str]) -> Any:
        return self._real.labels(**labels) if labels else self._real


class Counter(Metric):
    """Something that only grows."""

    kind = "Counter"

    def __init__(
        self, name: str, text: str, *labels: str, known: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        super().__init__(name, text, *labels)
        self.known = known or {}

    def enable(self, registry: "CollectorRegistry") -> None:
        """Begin to count, in `registry`, at 0 where all labels are known."""
        super().enable(registry)
        self.begin()

    def begin(self, **labels: str) -> None:
        """Show 0 for these labels, with each known value of the others."""
        rest = [label for label in self.labels if label not in labels]
        if self._real and all(label in self.known for label in rest):
            for values in itertools.product(*(self.known[label] for label in rest)):
                self._of(labels | dict(zip(rest, values, strict=True))).inc(0)

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count `amount` more."""
        if self._real:
            self._of(labels).inc(amount)


class Gauge(Metric):
    """Something that grows and shrinks."""

    kind = "Gauge"

    def set(self, value: float, **labels: str) -> None:
        """Set the present value."""
        if self._real:
            self._of(labels).set(value)

    def add(self, amount: float = 1, **labels: str) -> None:
        """Note that it grew by `amount`, or shrank."""
        if self._real:
            self._of(labels).inc(amount)


class GaugeSet(Metric):
    """A gauge whose series are replaced together, and shown only while they hold.

    What one process of several counts for all is shown by that one alone, and not for ever.
    """

    kind = "GaugeSet"
    _shown: tuple[tuple[Series, ...], Callable[[], bool]] = ((), bool)

    def enable(self, registry: "CollectorRegistry") -> None:
        """Begin to show the values that are set, in `registry`."""
        self._real = registry
        registry.register(self)

    def disable(self) -> None:
        """Show nothing any more."""
        super().disable()
        self.clear()

    def replace(self, series: Iterable[Series], holds: Callable[[], bool]) -> None:
        """Show these series and no others, for as long as `holds` says so."""
        if self._real:
            self._shown = tuple(series), holds

    def clear(self) -> None:
        """Show nothing until the next ones."""
        self._shown = (), bool

    def describe(self) -> "Iterator[GaugeMetricFamily]":
        """Name the metric, as prometheus_client asks at the start."""
        yield self._family()

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        """Show the present values; prometheus_client asks at each scrape, in its own thread."""
        family = self._family()
        series, holds = self._shown
        for labels, value in series if holds() else ():
            family.add_metric(labels, value)
        yield family

    def _family(self) -> "GaugeMetricFamily":
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - where metrics are on

        return GaugeMetricFamily(self.name, self.text, labels=self.labels)


class Histogram(Metric):
    """How often something took how much."""

    kind = "Histogram"

    def observe(self, value: float, **labels: str) -> None:
        """Note one."""
        if self._real:
            self._of(labels).observe(value)


DECLARED: list[Metric] = []


def enable(registry: "CollectorRegistry | None" = None) -> None:
    """Begin to count everything. Once per process, before the service starts."""
    from prometheus_client import REGISTRY  # noqa: PLC0415 - only where metrics are on

    for metric in DECLARED:
        metric.enable(registry or REGISTRY)


def disable() -> None:
    """Count nothing any more: for tests."""
    for metric in DECLARED:
        metric.disable()
