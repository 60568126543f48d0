"""Metrics of a webhook process. Label values are never taken from a request: no personal data, a bounded number."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

_OUTCOMES = {
    200: "ok",
    400: "invalid",
    401: "not_signed",
    403: "handshake_rejected",
    413: "too_large",
    500: "failed",
    503: "not_acknowledged",
}
_PATHS = ("/webhooks/whatsapp", "/webhooks/softbot", "/webhooks/agents", "/webhooks/ses", "other")


class WebhookMetrics:
    """The collectors of one process. In prometheus_client's multiprocess mode, all processes of a webhook add up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "witiop_webhook_requests", "Requests answered, by path and outcome.", ["path", "outcome"], registry=registry
        )
        self._rejected = Counter(
            "witiop_webhook_bodies_rejected",
            "Requests rejected before the application saw them, by reason.",
            ["reason"],
            registry=registry,
        )
        self._updates = Counter(
            "witiop_webhook_updates",
            "Updates that Kafka acknowledged, by source and kind of fact.",
            ["source", "kind"],
            registry=registry,
        )
        self._unreadable = Counter(
            "witiop_webhook_unreadable",
            "Unreadable signed bodies and updates, stored with their raw bytes, by source.",
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

        self._answers = _Labelled(self._requests)
        for path in _PATHS:  # an alert about the first one needs a sample from before it
            self._answers[path, "failed"].inc(0)
            self._answers[path, "not_acknowledged"].inc(0)
        self._updates_of = _Labelled(self._updates)

    def answered(self, path: str, status: int) -> None:
        """Counts a request that was answered. `path`: the route's pattern, not the sender's text."""
        self._answers[path, _OUTCOMES.get(status, "other")].inc()

    def rejected(self, reason: str) -> None:
        """Counts a request that was rejected before the application saw it."""
        self._rejected.labels(reason).inc()

    def acknowledged(self, source: str, kinds: Sequence[str], unreadable: int, seconds: float) -> None:
        """Counts a request whose records were all acknowledged, after `seconds`."""
        for kind in kinds:
            self._updates_of[source, kind].inc()
        if unreadable:
            self._unreadable.labels(source).inc(unreadable)
        self._acknowledged.inc(len(kinds) + unreadable)
        self._publishing.observe(seconds)


class _Labelled(dict[tuple[str, str], Counter]):
    """The counters of a metric by the values of its labels. Finding one here takes a third of the time of `labels`."""

    def __init__(self, metric: Counter) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, str]) -> Counter:
        counter = self[labels] = self._metric.labels(*labels)
        return counter
