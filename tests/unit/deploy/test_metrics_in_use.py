"""Alert rules and dashboards use metrics that exist, with labels that they have."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from imagedrift_runtime import metrics
from imagedrift_runtime.nats import topology
from support.deploy import DEPLOY, ROOT, read_yaml

RULES: list[dict[str, Any]] = [
    rule
    for group in read_yaml(DEPLOY / "prometheus" / "rules.yml")["groups"]
    for rule in group["rules"]
]
PANELS = [
    pytest.param(target["expr"], target["legendFormat"], id=f"{panel['title']} {target['refId']}")
    for name in ("services.json", "fleet-metrics.json")
    for panel in json.loads((DEPLOY / "grafana" / "dashboards" / name).read_text())["panels"]
    for target in panel["targets"]
]
BY_SCRAPE = {"instance", "job"}
LITERAL_LABELS = {
    "outcome": {"stored", "already_there", "failed", "done", "retry", "reject"},
    "stream": {thing.name for thing in topology.declare() if thing.kind == "stream"},
}


def declared() -> dict[str, set[str]]:
    """Return every series of the services, with its labels."""
    series: dict[str, set[str]] = {"up": set(BY_SCRAPE)}
    for metric in metrics.DECLARED:
        labels = {*metric.labels, *BY_SCRAPE}
        if metric.kind == "Histogram":
            series |= {f"{metric.name}_{end}": labels for end in ("count", "sum")}
            series[f"{metric.name}_bucket"] = labels | {"le"}
        else:
            series[metric.name] = labels
    return series


def faults(expression: str) -> Iterator[str]:
    """Return the metrics and labels of an expression that do not exist."""
    promql_parser.parse(expression)
    series = declared()
    names = set(re.findall(r"\b(?:imagedrift_\w+|up)\b", expression))
    labels: set[str] = {each for name in names for each in series.get(name, ())}
    yield from (f"no metric {name}" for name in names - series.keys())
    if not names:
        yield "no metric at all"
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        yield from (f"no label {label}" for label in set(re.split(r",\s*", group)) - labels)
    for label, value in re.findall(r'(\w+)="([^"]*)"', expression):
        if label not in labels:
            yield f"no label {label}"
        elif value not in LITERAL_LABELS.get(label, {value}):
            yield f"{label} is never {value}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_exists(rule: dict[str, Any]) -> None:
    """Every metric and label of an alert exists in a service."""
    assert list(faults(rule["expr"])) == []


@pytest.mark.parametrize(("expression", "legend"), PANELS)
def test_a_panel_asks_for_what_exists(expression: str, legend: str) -> None:
    """Every metric and label of a panel, and of its legend, exists in a service."""
    assert list(faults(expression)) == []
    named = {each for name, has in declared().items() if name in expression for each in has}
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= named


@pytest.mark.parametrize(
    "wrong",
    [
        "imagedrift_nothing > 1",
        'sum by (host) (imagedrift_part_ready{part="nats"})',
        'imagedrift_messages_handled_total{outcome="lost"} > 0',
        'imagedrift_part_ready{outcome="done"} > 0',
    ],
)
def test_what_does_not_exist_is_found(wrong: str) -> None:
    """The check of expressions finds an unknown metric, label and value."""
    assert list(faults(wrong))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_where_it_is_explained(rule: dict[str, Any]) -> None:
    """Each alert has a severity, a sentence, and a heading of the runbook that exists."""
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(), re.MULTILINE)
    assert anchor in {
        re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings
    }
