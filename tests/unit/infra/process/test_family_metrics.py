"""What a process and its workers use together."""

import multiprocessing
import time

from prometheus_client import CollectorRegistry

from infra.process.family_metrics import FamilyMetrics
from tests.support.waiting import wait_until

_BYTES = 64 * 1024 * 1024


def _holds_memory() -> None:
    held = b"x" * _BYTES
    time.sleep(60 * len(held[:1]))


def test_the_memory_of_workers_counts_and_the_start_is_that_of_this_process() -> None:
    registry = CollectorRegistry()
    registry.register(FamilyMetrics())

    def value(name: str) -> float:
        found = registry.get_sample_value(name)
        assert found is not None
        return found

    alone = value("process_resident_memory_bytes")
    worker = multiprocessing.Process(target=_holds_memory)
    worker.start()
    try:
        wait_until(lambda: value("process_resident_memory_bytes") > alone + _BYTES)
    finally:
        worker.kill()
        worker.join()
    assert time.time() - 86_400 < value("process_start_time_seconds") < time.time()
    assert value("process_cpu_seconds_total") > 0
