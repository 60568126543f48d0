"""Metrics of several processes that do the same work."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter


def count_from_zero(counter: "Counter", values: Iterable[str]) -> None:
    """Makes a counter with one label have these values before the first event. Prometheus sees no increase in a counter
    that appears together with its first event, so an alert about one event would not fire."""
    for value in values:
        counter.labels(value)


@contextmanager
def shared_between_processes() -> Iterator["CollectorRegistry"]:
    """Yields a registry that adds up the metrics of all child processes of this run, also of those that ended, and has
    what the processes use.

    prometheus_client chooses its multiprocess mode when it is imported, so enter this block before anything imports it,
    and create metrics in the children only.
    """
    with tempfile.TemporaryDirectory(prefix="witiop-metrics-") as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory  # the only way to turn the multiprocess mode on

        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        from infra.process.family_metrics import FamilyMetrics

        registry = CollectorRegistry()
        MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
        registry.register(FamilyMetrics())
        yield registry
