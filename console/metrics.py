"""Metrics of the console. Label values are never taken from a request: no personal data, a bounded number."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter

Refusal = Literal["form", "signed_out", "level", "wrong_password", "wrong_code", "too_many_attempts", "provider"]


class ConsoleMetrics:
    """The collectors of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "witiop_console_refused",
            "Requests that were refused, by reason; those of strangers are counted here and not stored.",
            ["why"],
            registry=registry,
        )

    def refused(self, why: Refusal) -> None:
        """Counts a request that was refused."""
        self._refused.labels(why).inc()
