"""Rates of the last 24 hours as metrics, for alarms of one's own."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event as Flag
from typing import Any

from prometheus_client import Gauge
from psycopg import Connection

from consumers.workers.worker_loop import WorkerLoop
from infra.postgres.statistics.rates import of_last_day

_SECONDS = 30.0

_CONVERSATIONS = Gauge(
    "witiop_analytics_last_day",
    "Conversations that began in the last 24 hours: opened, unmanaged, rescued, lost.",
    ["phone_number_id", "what"],
)


class AnalyticsRates:
    """Sets the metrics every half a minute. `transaction`: as for the batch loop."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection[Any]]]) -> None:
        self._transaction = transaction
        self._loop = WorkerLoop("analytics", self._report)
        self._known: set[str] = set()
        self.not_ready_reason = self._loop.not_ready_reason
        self.run = self._loop.run

    def _report(self, _: Flag) -> float:
        with self._transaction() as connection:
            found = of_last_day(connection)
        for gone in self._known - {each.phone_number_id for each in found}:
            for what in ("opened", "unmanaged", "rescued", "lost"):
                _CONVERSATIONS.labels(gone, what).set(0)
        for number, *counts in found:
            for what, n in zip(("opened", "unmanaged", "rescued", "lost"), counts, strict=True):
                _CONVERSATIONS.labels(number, what).set(n)
        self._known |= {each.phone_number_id for each in found}
        return _SECONDS
