"""How processes that do the same work count together."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


@contextmanager
def shared_between_processes() -> Iterator["CollectorRegistry"]:
    """A registry of this process that adds up what its children count, also those that ended; earlier runs are not in.

    prometheus_client decides how to count when it is imported, so enter this before anything imports it, and make the
    metrics in the children only.
    """
    with tempfile.TemporaryDirectory(prefix="witiop-metrics-") as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory  # the only way to tell it

        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
        yield registry
