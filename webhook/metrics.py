"""What a webhook process counts. Label values are ours, never a sender's: no personal data and a bounded number."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

_OUTCOMES = {
    200: "ok",
    400: "wrong",
    401: "not_signed",
    403: "handshake_refused",
    413: "too_large",
    500: "failed",
    503: "not_kept",
}


class WebhookMetrics:
    """The collectors of one process; with prometheus_client's multiprocess mode all processes of one webhook add up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "witiop_webhook_requests", "Requests answered, by path and outcome.", ["path", "outcome"], registry=registry
        )
        self._refused = Counter(
            "witiop_webhook_bodies_refused",
            "Requests cut off before the application saw them, by reason.",
            ["reason"],
            registry=registry,
        )
        self._updates = Counter(
            "witiop_webhook_updates", "Updates kept, by kind of fact.", ["source", "kind"], registry=registry
        )
        self._unreadable = Counter(
            "witiop_webhook_unreadable",
            "Signed bodies or updates that were put aside as they came, by source.",
            ["source"],
            registry=registry,
        )
        self._acknowledged = Counter(
            "witiop_webhook_records_acknowledged",
            "Records that all in-sync replicas of Kafka acknowledged.",
            registry=registry,
        )
        self._publishing = Histogram(
            "witiop_webhook_publish_seconds",
            "Time until Kafka acknowledged all records of one request.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3),
            registry=registry,
        )

    def answered(self, path: str, status: int) -> None:
        """A request was answered; `path` is the route's own, not the sender's."""
        self._requests.labels(path, _OUTCOMES.get(status, "other")).inc()

    def refused(self, reason: str) -> None:
        """A request was cut off before the application saw it."""
        self._refused.labels(reason).inc()

    def kept(self, source: str, kinds: Sequence[str], unreadable: int, seconds: float) -> None:
        """Everything of one request is acknowledged, after `seconds`."""
        for kind in kinds:
            self._updates.labels(source, kind).inc()
        if unreadable:
            self._unreadable.labels(source).inc(unreadable)
        self._acknowledged.inc(len(kinds) + unreadable)
        self._publishing.observe(seconds)
