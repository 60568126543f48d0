"""Memory, processor time and start of a process that supervises others. prometheus_client exports them of single
processes only, so without this the webhooks and the console had none."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_START, _MEMORY, _CPU = "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds"


class FamilyMetrics(Collector):
    """The metrics of this process with its workers: when this one began, and what they all use together."""

    def describe(self) -> list[Metric]:
        """Returns nothing, so that registering reads nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yields nothing where there is no /proc."""
        own = _values("self")
        workers = [_values(pid) for pid in _workers()]
        if _START in own:
            yield GaugeMetricFamily(_START, "Start of the process that supervises the workers.", value=own[_START])
            memory, cpu = (sum(each.get(name, 0.0) for each in (own, *workers)) for name in (_MEMORY, _CPU))
            yield GaugeMetricFamily(_MEMORY, "Resident memory of the process and its workers.", value=memory)
            yield CounterMetricFamily(_CPU, "Processor time of the process and its workers.", value=cpu)


def _values(pid: str) -> dict[str, float]:
    found = ProcessCollector(pid=lambda: pid, registry=None).collect()
    return {metric.name: metric.samples[0].value for metric in found}


def _workers() -> Iterator[str]:
    for thread in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            yield from thread.read_text().split()
