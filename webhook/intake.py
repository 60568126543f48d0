"""The steps that all webhooks share: verify the signature, publish every update, and only then answer 200 (P1)."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import structlog
from flask import request
from werkzeug.exceptions import ServiceUnavailable, Unauthorized

from domain.facts import FACT, Fact, partition_key
from domain.inbound.reading import UnreadablePart
from domain.ports import OutgoingRecord, Publisher
from domain.setup.sightings import WebhookEvent
from domain.topics import REASON_HEADER, SOURCE_HEADER, TRACEPARENT_HEADER, Topics
from infra.process.crash_points import crash_point
from infra.process.traces import TracedStep, Traces
from infra.serving.problem import RETRY_AFTER_SECONDS
from infra.serving.wsgi_bridge import ARRIVED_KEY, LATER_KEY
from webhook.answer import AnswerDeadlines, AnswerWhenStored, Receipt
from webhook.metrics import WebhookMetrics
from webhook.sightings import WebhookSightings
from webhook.signature import is_signed

PUBLISH_SECONDS = 2.3
"""How long after its arrival a request may wait for Kafka. Answers Meta within 3 s, acknowledged or not."""
PARSE_SECONDS = 1.0
"""How long after its arrival a large body may wait to be parsed. Later, Kafka would not have enough time."""
MAX_VALUE_BYTES = 4 * 1024 * 1024 - 16 * 1024
"""Largest value of a record: the topics' `max.message.bytes` minus room for key, headers and framing."""

_LARGE_BYTES = 64 * 1024

log = structlog.get_logger()


class Intake:
    """Verifies and publishes request bodies; shared by the webhooks of one process. `clock` returns the time of arrival
    (aware UTC); `traces`: None if they are off."""

    def __init__(
        self,
        publisher: Publisher,
        topics: Topics,
        clock: Callable[[], datetime],
        metrics: WebhookMetrics,
        sightings: WebhookSightings,
        traces: Traces | None = None,
    ) -> None:
        self.clock = clock
        self.sightings = sightings
        self._traces = traces
        self._publisher = publisher
        self._topics = topics
        self._metrics = metrics
        self._large = threading.Lock()
        self._deadlines = AnswerDeadlines()

    def signed_body(self, header: str, secrets: Sequence[bytes], refused: WebhookEvent) -> bytes:
        """Returns the raw bytes of the request, verified before they are parsed. `refused`: what is told of a body that
        another secret signed. Raises Unauthorized (401), or RequestEntityTooLarge (413) for a body that is too large.
        """
        body = request.get_data(cache=False)
        signature = request.headers.get(header)
        if not is_signed(signature, body, secrets):
            if signature:
                self.sightings.tell(refused)
            raise Unauthorized(f"{header} is missing or does not match the body.")
        crash_point("webhook.after-verify")
        return body

    @contextmanager
    def parsing(self, body: bytes) -> Iterator[None]:
        """Holds the right to parse a large body, until the end of the block; small ones need none. Raises
        ServiceUnavailable (503) if others have it for too long."""
        # Parsed, `[{},{},...]` takes 25 times its bytes. Two at a time would not finish sooner, as parsing only needs
        # CPU.
        if len(body) <= _LARGE_BYTES:
            yield
            return
        if not self._large.acquire(timeout=max(0.0, PARSE_SECONDS - _age())):
            raise _not_stored()
        try:
            yield
        finally:
            self._large.release()

    def publish(
        self, source: str, body: bytes, facts: Sequence[Fact], unreadable: Sequence[UnreadablePart] = ()
    ) -> None:
        """Publishes all updates in `body`. The response of the view is sent once Kafka has acknowledged them, or else
        503. Raises ServiceUnavailable (503) if it is known already that they are not stored."""
        records, kinds = [], []
        raw_updates = [update for update in unreadable if len(update.raw) <= MAX_VALUE_BYTES]
        for fact in facts:
            value = FACT.dump_json(fact)
            if len(value) <= MAX_VALUE_BYTES:
                records.append(OutgoingRecord(self._topics.inbound, partition_key(fact), value))
                kinds.append(fact.kind)
        if len(records) + len(raw_updates) < len(facts) + len(unreadable):
            # An update may grow when it is written again (`1e5` becomes `100000.0`) and not fit into a record. The body
            # as received always fits.
            raw_updates.append(UnreadablePart(body, "body: an update is larger than a record may be"))
        for update in raw_updates:
            log.warning("webhook.unreadable", source=source, reason=update.reason, bytes=len(update.raw))
            headers = ((SOURCE_HEADER, source.encode()), (REASON_HEADER, update.reason.encode()))
            records.append(OutgoingRecord(self._topics.unreadable, None, update.raw, headers))
        if not records:
            return
        if (seconds := PUBLISH_SECONDS - _age()) <= 0:
            raise _not_stored()
        path = request.url_rule.rule if request.url_rule else ""
        receipt = Receipt(path, source, kinds, len(raw_updates))
        step = self._begin_trace(receipt)
        if step is not None:
            header = (TRACEPARENT_HEADER, step.traceparent.encode())
            records = [replace(record, headers=(*record.headers, header)) for record in records]
        answer = AnswerWhenStored(receipt, self._metrics, step)
        self._publisher.begin(records, seconds, answer.settle)
        if answer.is_stored is None:
            self._deadlines.add(answer, time.monotonic() + seconds)
            request.environ[LATER_KEY] = answer.send_to
        elif not answer.is_stored:
            raise _not_stored()

    def _begin_trace(self, receipt: Receipt) -> TracedStep | None:
        """Begins the trace of a request, which counts from its arrival."""
        if self._traces is None:
            return None
        counts = {"witiop.facts": len(receipt.kinds), "witiop.unreadable": receipt.unreadable}
        attributes: dict[str, str | int] = {"http.request.method": "POST", "http.route": receipt.path, **counts}
        return self._traces.begin(f"POST {receipt.path}", "server", attributes, seconds_ago=_age())


def _age() -> float:
    """Returns the seconds since the request was complete."""
    now = time.monotonic()
    age: float = now - request.environ.get(ARRIVED_KEY, now)
    return age


def _not_stored() -> ServiceUnavailable:
    return ServiceUnavailable("Not stored; send it again.", retry_after=RETRY_AFTER_SECONDS)
