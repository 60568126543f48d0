"""The steps that all webhooks share: verify the signature, publish every update, and only then answer 200 (P1)."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

import structlog
from flask import request
from werkzeug.exceptions import ServiceUnavailable, Unauthorized

from domain.facts import FACT, Fact, partition_key
from domain.inbound.reading import UnreadablePart
from domain.ports import OutgoingRecord, Publisher, PublishFailed
from domain.topics import REASON_HEADER, SOURCE_HEADER, Topics
from infra.process.crash_points import crash_point
from infra.serving.limits import QUEUE_SECONDS
from infra.serving.problem import RETRY_AFTER_SECONDS
from infra.serving.wsgi_bridge import ARRIVED_KEY
from webhook.metrics import WebhookMetrics
from webhook.signature import is_signed

PUBLISH_SECONDS = 2.4
"""Together with the unused part of the queueing time, this answers Meta within 3 s, acknowledged or not."""
MAX_VALUE_BYTES = 4 * 1024 * 1024 - 16 * 1024
"""Largest value of a record: the topics' `max.message.bytes` minus room for key, headers and framing."""

_LARGE_BYTES = 64 * 1024

log = structlog.get_logger()


class Intake:
    """Verifies and publishes request bodies; shared by the webhooks of one process. `clock` returns the time of arrival
    (aware UTC)."""

    def __init__(
        self, publisher: Publisher, topics: Topics, clock: Callable[[], datetime], metrics: WebhookMetrics
    ) -> None:
        self.clock = clock
        self._publisher = publisher
        self._topics = topics
        self._metrics = metrics
        self._large = threading.Lock()

    def signed_body(self, header: str, secrets: Sequence[bytes]) -> bytes:
        """Returns the raw bytes of the request, verified before they are parsed. Raises Unauthorized (401), or
        RequestEntityTooLarge (413) for a body that is too large."""
        body = request.get_data(cache=False)
        if not is_signed(request.headers.get(header), body, secrets):
            raise Unauthorized(f"{header} is missing or does not match the body.")
        crash_point("webhook.after-verify")
        return body

    def parse_lock(self, body: bytes) -> AbstractContextManager[object]:
        """Returns a lock to hold while the body is parsed as JSON: large bodies are parsed one at a time."""
        # Parsed, `[{},{},...]` takes 25 times its bytes. Two at a time would not finish sooner, as parsing only needs
        # CPU.
        return self._large if len(body) > _LARGE_BYTES else nullcontext()

    def publish(
        self, source: str, body: bytes, facts: Sequence[Fact], unreadable: Sequence[UnreadablePart] = ()
    ) -> None:
        """Publishes all updates in `body` and returns once Kafka has acknowledged them. Raises ServiceUnavailable (503)
        if any of them was not acknowledged in time."""
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
        if records:
            seconds = self._publish_records(records)
            self._metrics.acknowledged(source, kinds, len(raw_updates), seconds)
        crash_point("webhook.after-publish-before-answer")

    def _publish_records(self, records: Sequence[OutgoingRecord]) -> float:
        """Returns the seconds until all records were acknowledged."""
        began = time.monotonic()
        try:
            queued = began - request.environ.get(ARRIVED_KEY, began)
            self._publisher.publish(records, PUBLISH_SECONDS + max(0.0, QUEUE_SECONDS - queued))
        except PublishFailed as error:
            raise ServiceUnavailable("Not stored; send it again.", retry_after=RETRY_AFTER_SECONDS) from error
        return time.monotonic() - began
