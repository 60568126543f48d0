"""The metrics that the processes have, as they are defined in the code."""

import importlib
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple, cast

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.samples import Sample

from console.metrics import ConsoleMetrics
from consumers.batches.metrics import ConsumerMetrics
from consumers.workers.isolation import Isolation, of_conversation
from infra.postgres.messaging.parked import ParkedItems
from tests.support.paths import ROOT
from webhook.metrics import WebhookMetrics

OF_EVERY_PROCESS = {
    "witiop_ready": (),  # infra.process.monitor
    "up": (),  # Prometheus itself
    "process_resident_memory_bytes": (),
    "process_cpu_seconds_total": (),
    "process_start_time_seconds": (),
}
OF_TARGETS = frozenset({"job", "instance", "process"})
"""Labels that Prometheus adds when it scrapes (examples/monitoring/prometheus.yml)."""
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


class DefinedMetric(NamedTuple):
    """A metric; `series`: label names by the names under which Prometheus stores it."""

    name: str
    series: dict[str, frozenset[str]]


@cache
def defined_metrics() -> tuple[DefinedMetric, ...]:
    """Returns every metric of ours. Imports each module that defines some."""
    for package in ("consumers", "infra", "webhook", "console", "witiop"):
        for file in sorted((ROOT / package).rglob("*.py")):
            if "prometheus_client import" in file.read_text():
                importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    of_http_processes = CollectorRegistry()
    WebhookMetrics(of_http_processes)
    ConsoleMetrics(of_http_processes)
    return tuple(_metrics(REGISTRY)) + tuple(_metrics(of_http_processes))


def at_the_start() -> list[Sample]:
    """Returns what the processes export before anything has happened."""
    defined_metrics()
    ConsumerMetrics("witiop.conversations")
    Isolation(ParkedItems(cast(Any, None), "timer"), of_conversation)
    of_http_processes = CollectorRegistry()
    WebhookMetrics(of_http_processes)
    return [
        sample
        for registry in (REGISTRY, of_http_processes)
        for metric in registry.collect()
        for sample in metric.samples
    ]


def _metrics(registry: CollectorRegistry) -> Iterable[DefinedMetric]:
    for collector in list(registry._collector_to_names):
        if isinstance(collector, MetricWrapperBase) and collector._name.startswith("witiop_"):
            suffixes, labels = _SUFFIXES[str(collector._type)], frozenset(collector._labelnames)
            series = {
                f"{collector._name}{suffix}": labels | {"le"} if suffix == "_bucket" else labels for suffix in suffixes
            }
            yield DefinedMetric(collector._name, series)


def known_series() -> dict[str, frozenset[str]]:
    """Returns the labels of everything that an expression may name."""
    own = {name: labels for metric in defined_metrics() for name, labels in metric.series.items()}
    return {name: labels | OF_TARGETS for name, labels in (own | dict.fromkeys(OF_EVERY_PROCESS, frozenset())).items()}
