"""What every webhook does with a body: believe only the signed, keep all of it, and only then say so (P1)."""

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
from infra.serving.problem import RETRY_AFTER_SECONDS
from infra.serving.rsgi_bridge import ARRIVED, QUEUE_SECONDS
from webhook.metrics import WebhookMetrics
from webhook.signature import is_signed

PUBLISH_SECONDS = 2.4
"""With what is left of the time to queue, Meta is answered within 3 s, kept or not."""
MAX_VALUE_BYTES = 4 * 1024 * 1024 - 16 * 1024
"""Largest value of a record: the topics' `max.message.bytes` less room for key, headers and framing."""

_LARGE_BYTES = 64 * 1024

log = structlog.get_logger()


class Intake:
    """Shared by the webhooks of one process. `clock` tells the time of arrival, aware UTC."""

    def __init__(
        self, publisher: Publisher, topics: Topics, clock: Callable[[], datetime], metrics: WebhookMetrics
    ) -> None:
        self.clock = clock
        self._publisher = publisher
        self._topics = topics
        self._metrics = metrics
        self._large = threading.Lock()

    def signed_body(self, header: str, secrets: Sequence[bytes]) -> bytes:
        """The raw bytes of the request, before anything reads them; raises Unauthorized (401) or, for too many of
        them, RequestEntityTooLarge (413)."""
        body = request.get_data(cache=False)
        if not is_signed(request.headers.get(header), body, secrets):
            raise Unauthorized(f"{header} is missing or does not fit the body.")
        crash_point("webhook.after-verify")
        return body

    def turn(self, body: bytes) -> AbstractContextManager[object]:
        """To be held while JSON is read: large bodies are read one at a time. Read, `[{},{},...]` takes 25 times its
        bytes; and as reading takes processor time alone, two at a time would not be done sooner."""
        return self._large if len(body) > _LARGE_BYTES else nullcontext()

    def keep(self, source: str, body: bytes, facts: Sequence[Fact], unreadable: Sequence[UnreadablePart] = ()) -> None:
        """Return when everything that stood in `body` is acknowledged; raises ServiceUnavailable (503) otherwise."""
        records, kinds = [], []
        aside = [update for update in unreadable if len(update.raw) <= MAX_VALUE_BYTES]
        for fact in facts:
            value = FACT.dump_json(fact)
            if len(value) <= MAX_VALUE_BYTES:
                records.append(OutgoingRecord(self._topics.inbound, partition_key(fact), value))
                kinds.append(fact.kind)
        if len(records) + len(aside) < len(facts) + len(unreadable):
            # `1e5` becomes `100000.0`: what fitted into a body may not fit into a record. The body itself always does.
            aside.append(UnreadablePart(body, "body: an update larger than a record"))
        for update in aside:
            log.warning("webhook.unreadable", source=source, reason=update.reason, bytes=len(update.raw))
            headers = ((SOURCE_HEADER, source.encode()), (REASON_HEADER, update.reason.encode()))
            records.append(OutgoingRecord(self._topics.unreadable, None, update.raw, headers))
        if records:
            seconds = self._publish(records)
            self._metrics.kept(source, kinds, len(aside), seconds)
        crash_point("webhook.after-publish-before-answer")

    def _publish(self, records: Sequence[OutgoingRecord]) -> float:
        began = time.monotonic()
        try:
            queued = began - request.environ.get(ARRIVED, began)
            self._publisher.publish(records, PUBLISH_SECONDS + max(0.0, QUEUE_SECONDS - queued))
        except PublishFailed as error:
            raise ServiceUnavailable("Not kept; send it again.", retry_after=RETRY_AFTER_SECONDS) from error
        return time.monotonic() - began
