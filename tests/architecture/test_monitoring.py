"""The Prometheus rules and the Grafana dashboard in examples/monitoring name metrics that exist, and leave out none."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, TypeVar

import promql_parser
import pytest
import yaml

from tests.support.exported_metrics import OF_EVERY_PROCESS, at_the_start, defined_metrics, known_series
from tests.support.paths import ROOT
from witiop.wiring.processes import PROCESSES

MONITORING = ROOT / "examples" / "monitoring"
SCRAPED: dict[str, Any] = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"][0]
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
}
PANELS: dict[str, dict[str, Any]] = {
    panel["title"]: panel
    for panel in json.loads((MONITORING / "grafana" / "dashboard.json").read_text())["panels"]
    if panel["type"] != "row"
}
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
PROMTOOL = shutil.which("promtool")
LEFT_OUT: dict[str, str] = {}
"""Metrics that neither a rule nor a panel shows, with the reason."""


def targets() -> Iterator[tuple[str, str, str]]:
    """Yields of every expression its place, itself, and the texts that name its labels."""
    for name, rule in ALERTS.items():
        yield name, rule["expr"], " ".join(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    for title, panel in PANELS.items():
        for target in panel["targets"]:
            named = re.findall(r"{{\s*(\w+)\s*}}", target["legendFormat"])
            yield title, target["expr"].replace("$__rate_interval", "5m"), " ".join(named)


EXPRESSIONS = list(targets())


Part = TypeVar("Part")


def parts(expression: promql_parser.Expr, kind: type[Part]) -> list[Part]:
    found: list[Part] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, kind):
            found.append(node)
        return True

    promql_parser.walk(expression, visit)
    return found


def selectors(expression: promql_parser.Expr) -> list[promql_parser.VectorSelector]:
    return parts(expression, promql_parser.VectorSelector)


def aggregations(expression: promql_parser.Expr) -> list[promql_parser.AggregateExpr]:
    return parts(expression, promql_parser.AggregateExpr)


def labels_of(expression: promql_parser.Expr) -> set[str]:
    return {label for each in selectors(expression) for label in known_series()[str(each.name)]}


def grouped_by(aggregation: promql_parser.AggregateExpr) -> set[str]:
    return set(aggregation.modifier.labels) if aggregation.modifier else set()


@pytest.mark.parametrize(
    ("place", "text", "named"), EXPRESSIONS, ids=[f"{p}-{i}" for i, (p, _, _) in enumerate(EXPRESSIONS)]
)
def test_every_metric_and_label_of_an_expression_exists(place: str, text: str, named: str) -> None:
    """A name that no process has would make an alert that never fires."""
    expression = promql_parser.parse(text)
    assert set() == {str(each.name) for each in selectors(expression)} - known_series().keys()
    for each in selectors(expression):
        matched = {matcher.name for matcher in each.matchers.matchers}
        assert set() == matched - known_series()[str(each.name)], each.name
    for aggregation in aggregations(expression):
        assert set() == grouped_by(aggregation) - labels_of(aggregation.expr)
    outermost = next(iter(aggregations(expression)), None)
    shown = grouped_by(outermost) if outermost is not None else labels_of(expression)
    assert set() == set(named.split()) - shown, f"{place} names a label that its expression does not have"


FIRST_EVENTS = [
    pytest.param(each, id=f"{name} {each.name}")
    for name, rule in ALERTS.items()
    for comparison in parts(promql_parser.parse(rule["expr"]), promql_parser.BinaryExpr)
    if str(comparison.op) == ">" and isinstance(comparison.rhs, promql_parser.NumberLiteral) and not comparison.rhs.val
    if any(call.func.name == "increase" for call in parts(comparison.lhs, promql_parser.Call))
    for each in selectors(comparison.lhs)
]


@pytest.mark.parametrize("selector", FIRST_EVENTS)
def test_a_counter_whose_first_event_is_an_alert_is_there_before_it(selector: promql_parser.VectorSelector) -> None:
    """Prometheus sees no increase in one that appears together with its first event."""
    there = [each.labels for each in at_the_start() if each.name == selector.name]
    assert there
    for matcher in selector.matchers.matchers:
        for value in matcher.value.split("|"):
            assert value in {labels[matcher.name] for labels in there}, f"{matcher.name}={value}"


def test_every_metric_is_in_a_rule_or_in_the_dashboard() -> None:
    """A new metric that matters gets a panel, and perhaps an alert; one that does not, a reason here."""
    used = {str(each.name) for _, text, _ in EXPRESSIONS for each in selectors(promql_parser.parse(text))}
    unused = {metric.name for metric in defined_metrics() if not metric.series.keys() & used}
    assert LEFT_OUT.keys() == unused
    assert set() == OF_EVERY_PROCESS.keys() - used


def test_every_process_is_scraped_and_missed_when_it_is_gone() -> None:
    """A process that Prometheus does not know of raises no other alert."""
    assert list(PROCESSES) == SCRAPED["dns_sd_configs"][0]["names"]
    missing = selectors(promql_parser.parse(ALERTS["WitiopProcessMissing"]["expr"]))
    named = [matcher.value for each in missing for matcher in each.matchers.matchers if matcher.name == "process"]
    assert set(PROCESSES) == set(named)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_line_in_the_runbook(alert: str) -> None:
    """Who is woken at night finds what it means and what to do."""
    page, _, anchor = ALERTS[alert]["annotations"]["runbook_url"].partition("#")
    assert page == "docs/runbook.md"
    assert 1 == RUNBOOK.count(f'<a id="{anchor}"></a>')
    assert ALERTS[alert]["labels"]["severity"] in ("critical", "warning", "info")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool, of Debian's package prometheus, is not installed")
@pytest.mark.parametrize("what", [["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]], ids=" ".join)
def test_prometheus_itself_accepts_the_rules_and_alerts_as_the_examples_say(what: list[str]) -> None:
    done = subprocess.run([str(PROMTOOL), *what], cwd=MONITORING, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
